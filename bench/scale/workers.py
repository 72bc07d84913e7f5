"""Batches over several real workers: throughput, CPU per award, and what the workers wait for."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from sqlalchemy import func, select

from bench.measures import Bench
from bench.scale.processes import cpu_seconds, machine_seconds
from tests.faults.console import await_
from webapp.database import db
from webapp.domain.batches import runs
from webapp.models import Batch
from webapp.models.batch import RUNNING
from webapp.transaction import transaction

EVERY = 0.02  # seconds between two looks at the sessions
# What each session of the database does: `idle in transaction` means that its worker is computing.
SESSIONS = """
SELECT CASE WHEN state = 'idle in transaction' THEN 'worker computing'
        WHEN wait_event IS NULL THEN 'database computing'
        ELSE wait_event_type || ': ' || wait_event END
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IN ('active', 'idle in transaction')
"""


@dataclass
class Run:
    """What processing some batches cost: times in seconds, waits in sessions on average."""

    workers: int
    awards: int
    seconds: float = 0
    worker_cpu: float = 0
    database_cpu: float = 0
    busy: float = 0  # part of the machine's CPU time
    waits: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return self.awards / self.seconds


def run(bench: Bench, postmaster: int, workers: int, batches: int, size: int) -> Run:
    """Publish batches of `size` members and wait until `workers` workers have finished them."""
    quests = [bench.quest() for _ in range(batches)]
    ids = [bench.draft(quest, size) for quest in quests]
    processes = [bench.console.start_worker() for _ in range(workers)]
    pids = [process.pid for process in processes]
    await_(lambda: _ready(bench) >= workers, 30, bench.console.log)
    found = Run(workers, batches * size)
    before = cpu_seconds(pids), cpu_seconds([postmaster]), machine_seconds()
    began = time.perf_counter()
    with _watched(bench, found.waits):
        for batch_id in ids:
            _publish(bench, batch_id)
        await_(lambda: not _running(bench, ids), 600, bench.console.log)
        found.seconds = time.perf_counter() - began
    busy, total = (now - then for now, then in zip(machine_seconds(), before[2], strict=True))
    found.busy = busy / total
    found.worker_cpu = cpu_seconds(pids) - before[0]
    found.database_cpu = cpu_seconds([postmaster]) - before[1]
    for process in processes:
        process.terminate()
        process.wait()
    return found


def _publish(bench: Bench, batch_id: int) -> None:
    with bench.console.app.app_context(), transaction():
        runs.publish(batch_id, bench.actor())


def _ready(bench: Bench) -> int:
    return bench.console.redis().scard("rq:workers")


def _running(bench: Bench, ids: list[int]) -> int:
    with bench.console.app.app_context():
        running = select(func.count()).where(Batch.id.in_(ids), Batch.status.in_(RUNNING))
        return db.session.scalar(running) or 0


@contextmanager
def _watched(bench: Bench, waits: Counter[str]) -> Iterator[None]:
    """Meanwhile, look at the database's sessions; then set their average numbers."""
    ended = threading.Event()
    looks = 0
    url = bench.console.settings.database_url.replace("+psycopg", "")

    def watch() -> None:
        nonlocal looks
        with psycopg.connect(url, autocommit=True) as connection:
            while not ended.wait(EVERY):
                waits.update(row[0] for row in connection.execute(SESSIONS))
                looks += 1

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        for name in waits:
            waits[name] /= looks
