"""Ranges: several workers process one batch, with the promises of one (docs/adr/0039)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import Make
from webapp.database import db, dialect_name
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, processing, ranges, runs
from webapp.domain.batches.ranges import ClaimedRange
from webapp.domain.operations import maintenance
from webapp.models import AuditEvent, Award, Batch, BatchRange, Entry, EventGroup, Origin
from webapp.transaction import transaction

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
several = pytest.mark.databases("postgresql")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "SIZE", 10)


def now() -> datetime:
    return datetime.now(UTC)


def claim(batch: Batch, owner: str, lease: float = 60) -> ClaimedRange | None:
    with transaction():
        return processing.claim(batch.id, owner, lease, 4, now())


def step(claimed: ClaimedRange, number: int = 4) -> bool:
    with transaction():
        return processing.process_chunk(claimed, number, now())


def finish(claimed: ClaimedRange) -> None:
    while step(claimed):
        pass


def bounds(batch: Batch) -> list[tuple[int, int]]:
    query = select(BatchRange.first_entry_id, BatchRange.last_entry_id)
    rows = db.session.execute(query.where(BatchRange.batch_id == batch.id).order_by(BatchRange.id))
    return [(first, last) for first, last in rows]


def state(batch: Batch) -> tuple[str, int, int, int]:
    found = drafts.get(batch.id)
    return found.status_label, found.run_processed, found.published, found.errors


def ends(batch: Batch) -> int:
    """How often the end of the batch's run was announced."""
    query = select(func.count()).where(EventGroup.kind == "batch.finished")
    return db.session.scalar(query) or 0


def test_a_run_is_divided_evenly_on_postgresql_and_not_at_all_on_sqlite(make: Make) -> None:
    batch = make.batch(make.members(35), published=True)
    entries = list(db.session.scalars(select(Entry.id).order_by(Entry.id)))
    parts = [[one for one in entries if first <= one <= last] for first, last in bounds(batch)]
    assert [one for part in parts for one in part] == entries
    expected = [12, 12, 11] if dialect_name() == "postgresql" else [35]
    assert list(map(len, parts)) == expected
    assert drafts.get(batch.id).run_up_to_entry_id == entries[-1]


def test_a_small_run_and_the_retry_of_a_few_are_one_range(make: Make) -> None:
    batch = make.batch(make.members(19), published=True)
    assert len(bounds(batch)) == 1
    with transaction():
        runs.stop(batch.id, Actor(now(), Origin.CONSOLE))
    assert bounds(batch) == []
    with transaction():
        runs.retry(batch.id, Actor(now(), Origin.CONSOLE))
    assert len(bounds(batch)) == 1


def test_a_very_large_run_has_no_more_than_64_ranges(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "SIZE", 1)
    assert len(bounds(make.batch(make.members(200), published=True))) in (1, ranges.MOST)


@several
def test_workers_share_a_batch_and_the_last_one_ends_it(make: Make) -> None:
    batch = make.batch(make.members(35), published=True)
    claims = [claim(batch, f"w{number}") for number in range(3)]
    assert [one.shared for one in claims] == [True, True, False]
    assert claim(batch, "late") is None
    assert processing.waiting() == []
    assert all(step(one) for one in claims)
    assert state(batch) == ("In Progress", 12, 12, 0)
    for left, one in enumerate(claims, -len(claims) + 1):
        finish(one)
        assert (drafts.get(batch.id).running, ends(batch)) == ((True, 0) if left else (False, 1))
    assert state(batch) == ("Published", 35, 35, 0)
    assert db.session.scalar(select(func.count(Award.id))) == 35
    assert maintenance.differing(since=LONG_AGO) == []


@several
def test_two_workers_that_end_at_once_end_the_batch_once(app: Flask, make: Make) -> None:
    for round_ in range(5):
        batch = make.batch(make.members(20, f"r{round_}-"), published=True)
        claims = [claim(batch, f"w{number}") for number in range(2)]
        for one in claims:
            for _ in range(3):
                assert step(one)
        together = Barrier(2)

        def end(claimed: ClaimedRange, together: Barrier = together) -> bool:
            with app.app_context():
                together.wait()
                return step(claimed)

        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(end, claims)) == [False, False]
        assert state(batch) == ("Published", 20, 20, 0)
        assert ends(batch) == round_ + 1
    published = select(func.count()).where(AuditEvent.verb == "batch.published")
    assert db.session.scalar(published) == 5


@several
def test_a_lost_lease_loses_only_its_range(make: Make) -> None:
    """J11: another worker takes it over; the late one changes nothing."""
    batch = make.batch(make.members(20), published=True)
    frozen, other = claim(batch, "frozen", -1), claim(batch, "other")
    assert step(other)
    assert processing.waiting() == [batch.id]
    second = claim(batch, "second")
    assert second.id == frozen.id
    with pytest.raises(leases.LeaseLostError):
        step(frozen)
    assert second.single_step_left == 4
    finish(second)
    finish(other)
    assert state(batch) == ("Published", 20, 20, 0)


@several
def test_stop_takes_the_ranges_of_all_workers(make: Make) -> None:
    """B-40: what is decided stays, the rest are errors, and a retry divides it again."""
    batch = make.batch(make.members(35), published=True)
    claims = [claim(batch, f"w{number}") for number in range(2)]
    assert all(step(one) for one in claims)
    actor = Actor(now(), Origin.CONSOLE)
    with transaction():
        assert runs.stop(batch.id, actor) == 27
    for one in claims:
        with pytest.raises(leases.LeaseLostError):
            step(one)
    assert state(batch) == ("Partially published", 35, 8, 27)
    assert processing.waiting() == []
    with transaction():
        assert runs.retry(batch.id, actor) == 27
    assert len(bounds(batch)) == 2
    while one := claim(batch, "again"):
        finish(one)
    assert state(batch) == ("Published", 27, 35, 0)
    with transaction():
        runs.undo(batch.id, actor)
    assert len(bounds(batch)) == 3
    while one := claim(batch, "undo"):
        finish(one)
    active = select(func.count(Award.id)).where(Award.revoked_at.is_(None))
    assert (db.session.scalar(active), drafts.get(batch.id).undo_incomplete) == (0, False)
    assert maintenance.differing(since=LONG_AGO) == []


@several
def test_a_range_without_progress_is_given_up_alone(make: Make) -> None:
    """B-40, J16: it is claimed after the others, and its entries become errors."""
    batch = make.batch(make.members(20), published=True)
    bad = claim(batch, "w0", -1)
    good = claim(batch, "good")
    assert good.id != bad.id
    for number in range(1, 5):
        assert claim(batch, f"w{number}", -1).id == bad.id
    with transaction():
        leases.record_error(BatchRange, bad.id, "w4", "DiskFull")
    assert claim(batch, "w5") is None
    assert state(batch) == ("In Progress", 10, 0, 10)
    finish(good)
    assert state(batch) == ("Partially published", 20, 10, 10)
    reasons = {one.reason for one in db.session.scalars(select(Entry)) if one.reason}
    assert reasons == {"The batch was stopped after five attempts without progress (DiskFull)."}


@several
def test_locking_a_batch_waits_for_its_chunks(app: Flask, make: Make) -> None:
    """No worker and no person wait for each other: renaming, stopping and claiming while chunks run."""
    batch = make.batch(make.members(200), published=True)

    def work(number: int) -> None:
        with app.app_context():
            while claimed := claim(batch, f"w{number}"):
                finish(claimed)

    with ThreadPoolExecutor(3) as threads:
        workers = [threads.submit(work, number) for number in range(3)]
        for number in range(10):
            with transaction():
                heading = drafts.Heading(f"Name {number}")
                drafts.save(batch.id, heading, Actor(now(), Origin.CONSOLE))
        for worker in workers:
            worker.result()
    while claimed := claim(batch, "rest"):  # a claim finds no range while someone holds them all
        finish(claimed)
    assert state(batch) == ("Published", 200, 200, 0)
    assert maintenance.differing(since=LONG_AGO) == []
