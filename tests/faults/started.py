"""A separate `laurel start` for a test: its processes, their output, and commands run alongside."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from tests.faults.console import PATIENCE, free_port
from webapp.cli import valkey

LAUREL = [sys.executable, "-m", "webapp.cli"]
CHILDREN = ("gunicorn", "jobs.worker", "jobs.delivery_worker", "jobs.clock", "valkey-server")


@contextlib.contextmanager
def queue_server(address: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Valkey that `laurel start` did not start."""
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(valkey.command(address), cwd=folder) as server:
        try:
            deadline = time.monotonic() + 10 * PATIENCE
            while not valkey.answers(address):
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.02)
            yield server
        finally:
            server.kill()


class Console:
    """A place to start the console, and all processes started from there."""

    def __init__(self, data: Path, log: Path) -> None:
        self.data, self.log, self.port = data, log, free_port()
        self.mark = f"LAUREL_TEST_MARK={uuid4()}"
        self.parents: list[subprocess.Popen[bytes]] = []
        ours = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "LAUREL_", "TRUSTED_HOSTS", "PORT")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        name, _, value = self.mark.partition("=")
        self.environment |= {
            name: value, "LAUREL_DATA": str(data), "PORT": str(self.port), "WEB_WORKERS": "1"
        }  # fmt: skip

    def start_process(self, *words: str, **more: str) -> subprocess.Popen[bytes]:
        """Start another process of the console, such as `web`, with its output next to that of `laurel start`."""
        return self._open([*LAUREL, *words], more)

    def start(self, *words: str, **more: str) -> subprocess.Popen[bytes]:
        return self._open([*LAUREL, "start", *words], more)

    def _open(self, command: list[str], more: dict[str, str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                env=self.environment | more,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # As from a terminal, even if these tests run under nohup.
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            )
        self.parents.append(process)
        return process

    def refused(self, *words: str, **more: str) -> str:
        """Run a command that must end by itself with exit code 1; return its output."""
        ended = subprocess.run(
            [*LAUREL, *words],
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60 * PATIENCE,
        )
        assert ended.returncode == 1, ended
        assert "Traceback" not in ended.stderr
        return ended.stderr

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*LAUREL, *words],
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120 * PATIENCE,
        )

    def up(self, *words: str) -> subprocess.Popen[bytes]:
        """Start, and wait until all processes are up."""
        self.log.write_bytes(b"")
        parent = self.start(*words)
        self.wait_for(lambda: "Laurel is at" in self.said(), 60, "it comes up")
        self.wait_for(lambda: all(self.pids(name) for name in CHILDREN), 20, "all children run")
        return parent

    def wait_for(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds * PATIENCE
        while not condition():
            late = time.monotonic() > deadline
            assert not late, f"not within {PATIENCE} times {seconds} s: {what}\n{self.said()}"
            time.sleep(0.05)  # a condition may read all of /proc

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as got:
                return got.status == 200
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def pids(self, word: str = "") -> list[int]:
        """The living processes of this console whose command line contains `word`, oldest first."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    # Valkey writes its title over its environment: it is recognized by its folder.
                    ours = (
                        self.mark.encode() in (entry / "environ").read_bytes().split(b"\0")
                        or (entry / "cwd").readlink() == self.data / "valkey"
                    )
                    command = (entry / "cmdline").read_bytes().decode(errors="replace")
                    state, *stat_ = (entry / "stat").read_bytes().rpartition(b") ")[2].split()
                except OSError:
                    continue
                if (
                    ours
                    and state not in b"ZX"
                    and word in command
                    and "parenthood.py" not in command
                ):
                    started = int(stat_[18])  # field 22 of proc(5); pids wrap around at pid_max
                    found.append((started, int(entry.name)))
        return [pid for _, pid in sorted(found)]

    def gone(self) -> bool:
        return not self.pids()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ask a process to stop, and wait for it."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0

    def end(self) -> None:
        """Stop all running processes, and remove what a killed start leaves."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for parent in self.parents:
            parent.wait(60)
        for note in self.data.rglob("runtime"):
            shutil.rmtree(note.read_text(), ignore_errors=True)
