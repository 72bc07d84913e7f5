"""Undo, stop and retry while real workers process a batch, and while they are killed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import func, select

from tests.faults.console import Console, await_, gone, horse
from tests.faults.test_unlock_faults import SIZE, finished, held_in_the_middle, published
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import runs
from webapp.domain.operations import maintenance
from webapp.models import Award, Batch, Entry, Origin
from webapp.transaction import transaction


def actor() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


def do(console: Console, verb: Callable[[int, Actor], object], batch: Batch) -> object:
    """Act on a batch as a person would."""
    with console.app.app_context(), transaction():
        return verb(batch.id, actor())


def ended(console: Console, batch: Batch) -> Batch:
    await_(lambda: not console.batch(batch.id).running, 30, lambda: f"ended\n{console.log()}")
    assert console.read(lambda: maintenance.differing(since=batch.created_at)) == []
    return console.batch(batch.id)


def outcomes(console: Console, batch: Batch) -> dict[str | None, int]:
    rows = select(Entry.outcome, func.count()).where(Entry.batch_id == batch.id)
    return console.read(lambda: dict(db.session.execute(rows.group_by(Entry.outcome)).all()))


def test_an_undo_survives_kill_9(console: Console) -> None:
    """B-29, B-38: worker and child killed during an undo; each award is revoked once."""
    ids = console.make.members(SIZE)
    quest = console.make.quest()
    held = [console.make.award(member_id, quest.id).id for member_id in ids[:20]]
    batch = console.make.batch(ids, quest, published=True)
    worker = console.start_worker()
    console.start_clock()
    ended(console, batch)
    do(console, runs.undo, batch)
    with held_in_the_middle(console, batch):
        child = horse(worker)
        worker.kill()
        worker.wait()
        if child:
            await_(lambda: gone(child), 1, "the child dies with the worker")
    half = console.batch(batch.id)
    assert 0 < half.run_processed < SIZE
    assert half.undone_at is not None
    console.start_worker()
    done = ended(console, batch)
    assert (done.status_label, done.percent, done.undo_incomplete) == ("Published", 100, False)
    assert outcomes(console, batch) == {"revoked_by_undo": SIZE - 20, "kept": 20}
    active = select(Award.id).where(Award.revoked_at.is_(None)).order_by(Award.id)
    assert console.read(lambda: list(db.session.scalars(active))) == held
    history = select(func.count()).select_from(Award)
    assert console.read(lambda: db.session.scalar(history)) == SIZE


def test_stop_during_a_chunk_and_retry_continues(console: Console) -> None:
    """B-40, X28: the current chunk counts, nothing after it; the worker keeps running; all get it in the end."""
    worker = console.start_worker()
    console.start_clock()
    batch = published(console)
    with held_in_the_middle(console, batch):
        stopped = runs.stop(batch.id, actor())
    half = ended(console, batch)
    awarded = console.awards()
    assert (half.status_label, half.percent) == ("Partially published", 100)
    assert half.errors == stopped
    assert half.published == SIZE - half.errors == awarded
    assert outcomes(console, batch) == {"awarded": awarded, "stopped": stopped}
    # The worker moves on: had it continued with the stopped one, it would show by now.
    other = console.make.batch(console.make.members(200, "other"), published=True)
    ended(console, other)
    assert outcomes(console, batch) == {"awarded": awarded, "stopped": stopped}
    do(console, runs.undo, other)
    ended(console, other)
    assert do(console, runs.retry, batch) == stopped
    finished(console, batch)
    assert worker.poll() is None


def test_repeated_stops_and_retries_miss_no_one(console: Console) -> None:
    """B-37, B-40: five stops at any moment, two workers."""
    console.start_worker()
    console.start_worker()
    console.start_clock()
    batch, stops = published(console), 0
    for _ in range(5):
        seen = console.batch(batch.id).published
        await_(lambda seen=seen: moved(console, batch, seen), 30, "progress")
        if not do(console, runs.stop, batch):
            break  # it was quicker
        stops += 1
        ended(console, batch)
        assert do(console, runs.retry, batch)
    assert stops
    finished(console, batch)


def moved(console: Console, batch: Batch, seen: int) -> bool:
    """True if more are published than before, or it has ended."""
    now = console.batch(batch.id)
    return now.published > seen or not now.running
