"""A real web process on loopback, with the worker class that a test chooses, and plain sockets as clients."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.conftest import NO_QUEUE, SECRET, migrate, settings_for
from tests.faults.console import await_, free_port
from webapp.cli.exec_commands import gunicorn_arguments

THREADS = 2
FORM = "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@contextmanager
def serving(data: Path, worker: str, processes: int = 1, **environ: str) -> Iterator[int]:
    """The port of a running web process with two threads; `worker` is a class of `quick_web`."""
    port = free_port()
    settings = replace(
        settings_for("", data), port=port, web_workers=processes, web_threads=THREADS
    )
    migrate(settings)
    arguments = [
        one.replace("webapp.cli.gunicorn_worker.Worker", f"tests.faults.quick_web.{worker}")
        for one in gunicorn_arguments(settings)
    ]
    environment = {
        **os.environ,
        "LAUREL_ENV": "test",
        "SECRET_KEY": SECRET,
        "REDIS_URL": NO_QUEUE,
        "LAUREL_DATA": str(data),
        **environ,
    }
    log = (data / "web.log").open("wb")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "gunicorn", *arguments]
    with log, subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log) as web:
        try:
            await_(
                lambda: healthy(port) or web.poll() is not None, 30, (data / "web.log").read_text
            )
            yield port
        finally:
            web.terminate()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def status(connection: socket.socket) -> int:
    """The status of the response, 0 if the connection was closed without one."""
    answer = b""
    try:
        while b"\r\n" not in answer and (more := connection.recv(4096)):
            answer += more
    except ConnectionResetError:
        pass
    found = re.match(rb"HTTP/1\.1 (\d+)", answer)
    return int(found[1]) if found else 0


def healthy(port: int) -> bool:
    try:
        with connect(port) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return status(connection) == 200
    except OSError:
        select.select([], [], [], 0.05)
        return False
