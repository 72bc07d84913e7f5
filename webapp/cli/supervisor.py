"""Keeps the processes of `laurel start` running, shows their output, and stops them in order.

One thread with one loop over their output and the signals. docs/adr/0002 says why it isn't a package.
"""

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType

import click

from webapp.cli.child_process import Child, kill_session
from webapp.cli.output import require_stream
from webapp.infrastructure import log_format

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """A context that handles signals; on leaving, it has stopped everything it started."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self.stop_requests = 0  # signals to stop; after the second one it no longer waits
        self.stopping = False
        self.selector = selectors.DefaultSelector()

    def __enter__(self) -> "Supervisor":
        self.wakeup_write, self.wakeup_read = socket.socketpair()
        self.wakeup_write.setblocking(False)
        self.wakeup_read.setblocking(False)
        self.selector.register(self.wakeup_read, selectors.EVENT_READ)
        signal.set_wakeup_fd(self.wakeup_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for ending in ENDING:
            if signal.getsignal(ending) is not signal.SIG_IGN or ending is not signal.SIGHUP:
                signal.signal(ending, self._on_stop_signal)  # nohup ignores SIGHUP
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(self.children, grace=0)
        signal.set_wakeup_fd(-1)
        self.selector.close()
        self.wakeup_write.close()
        self.wakeup_read.close()

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_requests += 1

    def start(self, child: Child) -> None:
        """Start a child and keep it running."""
        self.children.append(child)
        self._start(child)

    def until(self, condition: Callable[[], bool], *, seconds: float = float("inf")) -> bool:
        """Supervise the children until `condition` is true; False after `seconds`, or if asked to stop."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.stop_requests or time.monotonic() > deadline:
                return False
            self._poll(0.1)
        return True

    def run(self) -> None:
        while not self.stop_requests:
            self._poll(1.0)

    def stop(self, children: Iterable[Child], *, grace: float) -> None:
        self.stopping = True
        leaving = list(children)
        for child in leaving:
            child.due = None
            child.terminate()
        deadline = time.monotonic() + grace
        while any(child.running for child in leaving) and time.monotonic() < deadline:
            if self.stop_requests > 1:
                break
            self._poll(0.1)
        for child in leaving:
            if child.running:
                self._reap(child)

    def _poll(self, longest: float) -> None:
        dues = [child.due for child in self.children if child.due is not None]
        wait = min([longest, *(max(0.0, due - time.monotonic()) for due in dues)])
        for key, _ in self.selector.select(wait):
            if key.fileobj is self.wakeup_read:
                with contextlib.suppress(BlockingIOError):
                    self.wakeup_read.recv(4096)
            else:
                self._forward(key.data)
        for child in self.children:
            if child.has_exited():
                self._reap(child)
            elif child.due is not None and child.due <= time.monotonic():
                self._start(child)

    def _start(self, child: Child) -> None:
        self.selector.register(child.start(), selectors.EVENT_READ, child)

    def _forward(self, child: Child) -> bool:
        lines = child.lines()
        for line in lines or []:
            say(line, who=child.name)
        if lines is None:
            self.selector.unregister(child.output)
        return lines is not None

    def _reap(self, child: Child) -> None:
        kill_session(child.pid)
        while child.output in self.selector.get_map() and self._forward(child):
            pass
        code = child.reap()
        if not self.stopping:
            delay = child.schedule_restart()
            end = f"signal {-code}" if code < 0 else f"code {code}"
            say(f"{child.name} exited ({end}). Restarting in {delay:g} s.")


def say(line: str, *, who: str = "laurel") -> None:
    """Write a line as `write_line` does; ignore an output that can't be written."""
    with contextlib.suppress(OSError, ValueError, click.ClickException):
        write_line(line, who)


def logs_json() -> bool:
    """Whether every line is a JSON object. Read from the environment, because settings can be what is wrong."""
    return os.environ.get("LAUREL_LOGS", "").strip() == "json"


def write_line(line: str, who: str = "laurel", level: str = "INFO") -> None:
    """Write a line with its process's name, in front or as the `service` of a JSON object."""
    require_stream(sys.stdout, "output")
    written = log_format.line_as_json(line, who, level) if logs_json() else f"{who:<10}| {line}"
    os.write(sys.stdout.fileno(), f"{written}\n".encode(errors="replace"))
