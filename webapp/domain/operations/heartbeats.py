"""Signs of life of workers and clocks, told by the clock that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from webapp.database import db, execute_rowcount, from_now
from webapp.models import Process, ProcessKind

EVERY = 5.0  # seconds between two signs of life
SILENT_AFTER = 20.0  # seconds
FORGOTTEN_AFTER = 3600.0  # seconds


@dataclass(frozen=True)
class ThisProcess:
    """A process as it tells of itself; `key` is its own, made at its start."""

    key: str
    kind: ProcessKind
    host: str
    pid: int
    version: str


@dataclass(frozen=True)
class ProcessStatus:
    """A process that was seen lately; `silent` is one of which nothing was heard for a while: killed, or frozen."""

    kind: ProcessKind
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    silent: bool


def heartbeat(process: ThisProcess) -> None:
    """Leaves a sign of life; the first one makes the row."""
    seen = update(Process).where(Process.key == process.key).values(seen_at=from_now())
    if not execute_rowcount(seen):
        db.session.execute(
            insert(Process).values(
                key=process.key,
                kind=process.kind,
                host=process.host[:120],
                pid=process.pid,
                version=process.version[:40],
                started_at=from_now(),
                seen_at=from_now(),
            )
        )


def sign_off(key: str) -> None:
    """Takes leave: the process ends in order. Harmless where it left no sign."""
    db.session.execute(delete(Process).where(Process.key == key))


def every() -> list[ProcessStatus]:
    """The processes of the last hour, workers before clocks, the living before the silent; one query."""
    columns = (
        Process.kind,
        Process.host,
        Process.pid,
        Process.version,
        Process.started_at,
        Process.seen_at,
        Process.seen_at < from_now(-SILENT_AFTER),
    )
    recent = Process.seen_at >= from_now(-FORGOTTEN_AFTER)
    processes = [ProcessStatus(*row) for row in db.session.execute(select(*columns).where(recent))]
    return sorted(
        processes,
        key=lambda process: (
            process.kind != ProcessKind.WORKER,
            process.silent,
            process.host,
            process.pid,
        ),
    )


def prune_stale() -> None:
    db.session.execute(delete(Process).where(Process.seen_at < from_now(-FORGOTTEN_AFTER)))
