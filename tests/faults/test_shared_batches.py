"""Several workers on one batch: killed, frozen or stopped at any point, they lose nothing and do nothing twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from tests.faults.console import Console, await_, gone, horse, kill
from tests.faults.forked import Forked
from tests.faults.test_runs_faults import do, ended, outcomes
from tests.faults.test_unlock_faults import asked_to_stop, finished, in_the_middle, published
from webapp.database import db
from webapp.domain.batches import ranges, runs
from webapp.models import AuditEvent, Batch, EventGroup

SIZE = 3_000


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are divided when they are published, which tests do: ten ranges on PostgreSQL, one on SQLite."""
    monkeypatch.setattr(ranges, "SIZE", SIZE // 10)


def sharing(console: Console, number: int) -> tuple[Batch, list[Forked]]:
    """A batch in the middle, and its workers; on PostgreSQL, several hold a range."""
    workers = [console.start_worker() for _ in range(number)]
    await_(lambda: len(console.redis().smembers("rq:workers")) == number, 30, console.log)
    batch = published(console, SIZE)
    holders = 1 if console.settings.sqlite else 2
    await_(lambda: len(held(console, batch)) >= holders, 30, console.log)
    in_the_middle(console, batch)
    return batch, workers


def held(console: Console, batch: Batch) -> set[str]:
    return {owner for owner in console.owners(batch.id) if owner}


def said_once(console: Console, batch: Batch) -> None:
    """One entry in the audit log, and one event of the run's end."""
    publishes = select(func.count()).where(
        AuditEvent.verb == "batch.published", AuditEvent.subject_id == batch.id
    )
    ends = select(func.count()).where(EventGroup.kind == "batch.finished")
    assert console.read(lambda: (db.session.scalar(publishes), db.session.scalar(ends))) == (1, 1)
    assert console.owners(batch.id) == []


def busy(workers: list[Forked]) -> Iterator[int]:
    return (child for worker in workers if (child := horse(worker)))


def test_several_workers_share_one_batch(console: Console) -> None:
    """It ends once, with every member awarded once, and the queue doesn't fill with its jobs."""
    batch, workers = sharing(console, 3)
    assert console.redis().llen("rq:queue:laurel") <= len(workers)
    console.start_clock()
    finished(console, batch)
    said_once(console, batch)


def test_one_of_several_workers_is_killed(console: Console) -> None:
    """B-29, J2: the others take over its range when the lease expires."""
    batch, workers = sharing(console, 3)
    console.start_clock()
    victim = await_(lambda: next(filter(horse, workers), None), 10)
    child = horse(victim)
    victim.kill()
    victim.wait()
    if child:
        await_(lambda: gone(child), 5, "the child dies with the worker")
    finished(console, batch)
    said_once(console, batch)


def test_the_children_are_killed_again_and_again(console: Console) -> None:
    """J1: at ten moments, whichever is at work."""
    batch, workers = sharing(console, 3)
    console.start_clock()
    for _ in range(10):
        child = await_(lambda: next(busy(workers), None) or not console.batch(batch.id).running, 30)
        if child is True:
            break
        kill(child)
    finished(console, batch)
    said_once(console, batch)
    assert [worker.poll() for worker in workers] == [None] * 3


# Not on SQLite: if the frozen one is inside a chunk, it holds the only lock, and all others wait for it.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_frozen_worker_loses_its_range(console: Console) -> None:
    """J11, R8: the others process the rest meanwhile, then its range; it changes nothing when it wakes."""
    batch, workers = sharing(console, 3)
    console.start_clock()
    child = await_(lambda: next(busy(workers), None), 10)
    kill(child, signal.SIGSTOP)
    try:
        finished(console, batch, 40)
    finally:
        kill(child, signal.SIGCONT)
    await_(lambda: gone(child), 10, "the late child ends")
    finished(console, batch)
    said_once(console, batch)


def test_stop_with_several_workers(console: Console) -> None:
    """B-40: nothing is awarded after it; undo and retry divide the batch again."""
    batch, workers = sharing(console, 3)
    console.start_clock()
    stopped = do(console, runs.stop, batch)
    now = ended(console, batch)
    assert (now.published, now.errors, now.percent) == (SIZE - stopped, stopped, 100)
    assert console.owners(batch.id) == []
    other = console.make.batch(console.make.members(200, "other"), published=True)
    ended(console, other)
    seen = outcomes(console, batch)
    assert seen == {"awarded": now.published, "stopped": stopped}
    assert do(console, runs.retry, batch) == stopped
    ended(console, batch)
    assert outcomes(console, batch) == {"awarded": SIZE}
    do(console, runs.undo, batch)
    ended(console, batch)
    assert outcomes(console, batch) == {"revoked_by_undo": SIZE}
    assert [worker.poll() for worker in workers] == [None] * 3


def test_workers_asked_to_stop_hand_over_their_ranges(console: Console) -> None:
    """R7: all exit with 0, and the ranges that are left can be claimed at once."""
    batch, workers = sharing(console, 3)
    for worker in workers:
        worker.terminate()
    await_(lambda: asked_to_stop(console) or not console.batch(batch.id).running, 10)
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert held(console, batch) == set()
    console.start_worker()
    console.start_clock()
    finished(console, batch)
    said_once(console, batch)
