"""Heartbeats of workers, delivery workers and schedulers, by the database's clock, which all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from webapp.database import db, execute_rowcount, from_now
from webapp.models import Process, ProcessKind

EVERY = 5.0  # seconds between two heartbeats
SILENT_AFTER = 20.0  # seconds
FORGOTTEN_AFTER = 3600.0  # seconds


@dataclass(frozen=True)
class ThisProcess:
    """A process's own description; `key` is unique, created when it starts."""

    key: str
    kind: ProcessKind
    host: str
    pid: int
    version: str


@dataclass(frozen=True)
class ProcessStatus:
    """A recently seen process; `silent` if its heartbeats stopped because it was killed or froze."""

    kind: ProcessKind
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    silent: bool


def heartbeat(process: ThisProcess) -> None:
    """Record a heartbeat; the first one creates the row."""
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
    """Record an orderly exit. Does nothing without a heartbeat."""
    db.session.execute(delete(Process).where(Process.key == key))


def list_processes() -> list[ProcessStatus]:
    """Return the processes of the last hour: workers before the others, active before silent; one query."""
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
    rows = db.session.execute(select(*columns).where(recent))
    processes = [ProcessStatus(ProcessKind(row[0]), *row[1:]) for row in rows]
    return sorted(
        processes,
        key=lambda process: (
            list(ProcessKind).index(process.kind),
            process.silent,
            process.host,
            process.pid,
        ),
    )


def prune_stale() -> None:
    db.session.execute(delete(Process).where(Process.seen_at < from_now(-FORGOTTEN_AFTER)))
