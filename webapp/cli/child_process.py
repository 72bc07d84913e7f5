"""One child process of `laurel start`: its session, its output, its restarts."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from webapp.infrastructure import parent_death_signal

MIN_DELAY_S = 0.5  # seconds before a child that exited is restarted; doubles each time
MAX_DELAY_S = 30.0
STABLE_AFTER_S = 30.0  # seconds a child must run for the delay to start over
MAX_LINE_BYTES = 65536
DEATH_SIGNAL_SCRIPT = Path(parent_death_signal.__file__)


@dataclass
class Child:
    """A command to keep running, in its own session, so that Ctrl-C reaches only the parent."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path | None = None
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it if the parent is killed."""

    process: subprocess.Popen[bytes] | None = None
    due: float | None = None
    """When to start it (again), on the monotonic clock."""
    delay: float = MIN_DELAY_S
    started: float = 0.0
    partial_line: bytes = field(default=b"", repr=False)

    def start(self) -> int:
        """Start it and return the descriptor of its output, including standard error.

        From the main thread only: the kernel ties the child to the thread that made it.
        """
        tie = [
            sys.executable,
            "-I",
            "-S",
            str(DEATH_SIGNAL_SCRIPT),
            str(os.getpid()),
            str(int(self.death_signal)),
        ]
        self.process = subprocess.Popen(
            tie + self.command,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.due, self.started = None, time.monotonic()
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        return self.process.stdout.fileno()

    @property
    def running(self) -> bool:
        return self.process is not None

    @property
    def output(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def has_exited(self) -> bool:
        """Whether its process has exited; it stays a zombie, so its process ID isn't reused."""
        if self.process is None:
            return False
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, how) is not None

    def lines(self) -> list[str] | None:
        """The complete lines of output since the last call; None once the output is closed."""
        try:
            block = os.read(self.output, MAX_LINE_BYTES)  # as much as a pipe holds
        except BlockingIOError:
            return []
        if not block and not self.partial_line:
            return None
        *lines, self.partial_line = (self.partial_line + block).split(b"\n")
        if self.partial_line and (not block or len(self.partial_line) > MAX_LINE_BYTES):
            lines, self.partial_line = [*lines, self.partial_line], b""
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]

    def terminate(self) -> None:
        """Ask only the process itself to stop; it stops its own children."""
        if self.process is not None:
            self.process.terminate()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def reap(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        code = self.process.wait()
        self.process.stdout.close()
        self.process, self.partial_line = None, b""
        return code

    def schedule_restart(self) -> float:
        if time.monotonic() - self.started > STABLE_AFTER_S:
            self.delay = MIN_DELAY_S
        delay, self.delay = self.delay, min(self.delay * 2, MAX_DELAY_S)
        self.due = time.monotonic() + delay
        return delay


def kill_session(session: int) -> None:
    """Kill every process of a session: a running job has its own group and would survive."""
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(session, signal.SIGKILL)
        return
    for _ in range(200):  # don't wait forever for one that the kernel can't kill now
        living = session_members(session)
        if not living:
            return
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)  # a killed process is listed until it is a zombie


def session_members(session: int) -> list[int]:
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                # The name can contain spaces and brackets; the fields follow the last one.
                stat = Path("/proc", entry, "stat").read_bytes().rpartition(b") ")[2].split()
                if int(stat[3]) == session and stat[0] not in (b"Z", b"X"):
                    members.append(int(entry))
    return members
