"""Modules run as programs, forked from a process that has imported the console: an import takes a second of CPU time.

`laurel start` (tests/faults/started.py) and web processes are started as in production.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

PROGRAMS = ("jobs.clock", "jobs.delivery_worker", "jobs.worker")
_turn = Lock()


class Forked:
    """`python -m module` in its own process group, with the methods of `Popen` that tests use."""

    def __init__(self, module: str, environ: dict[str, str], folder: Path, output: Path) -> None:
        request = {"module": module, "environ": environ, "folder": str(folder)}
        self.pid: int = _ask({**request, "output": str(output)})
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _ask({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float = 600) -> int:
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _ask(request: dict[str, Any]) -> Any:
    with _turn:
        server = _server()
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(request).encode() + b"\n")
        server.stdin.flush()
        return json.loads(server.stdout.readline())


@cache
def _server() -> subprocess.Popen[bytes]:
    """The process to fork from; it ends with this one, because then its input ends."""
    server = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    atexit.register(server.communicate)
    return server


def _serve() -> None:
    for module in PROGRAMS:
        import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        if "ended" in request:
            pid, status = os.waitpid(request["ended"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                return _run(**request)
        print(json.dumps(answer), flush=True)


def _run(module: str, environ: dict[str, str], folder: str, output: str) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.modules.pop(module, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
