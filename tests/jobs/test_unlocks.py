"""The unlock job: slices, timeouts, and forks that must not share a connection."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from flask import Flask
from rq.timeouts import JobTimeoutException
from sqlalchemy import func, select, text

from jobs import time_slice, unlocks, worker
from tests.factories import Make
from tests.infrastructure.test_job_queue import rings
from tests.jobs.conftest import set_
from webapp.database import db
from webapp.domain.batches import drafts, entries, processing
from webapp.domain.leases import LeaseLostError
from webapp.domain.operations import maintenance
from webapp.models import BatchRange, Entry
from webapp.transaction import transaction


def test_a_job_carries_out_a_batch(process: Flask, make: Make) -> None:
    batch = make.batch(make.members(1200), published=True)
    unlocks.unlock(batch.id)
    with process.app_context():
        assert drafts.get(batch.id).status_label == "Published"


def test_a_job_for_a_batch_that_is_gone_or_done_does_nothing(process: Flask, make: Make) -> None:
    batch = make.batch(make.members(2), published=True)
    unlocks.unlock(batch.id)
    unlocks.unlock(batch.id)
    unlocks.unlock(987654321)
    with process.app_context():
        assert drafts.get(batch.id).published == 2


def test_a_slice_ends_in_time_and_enqueues_the_rest(
    process: Flask, queue: redis.Redis, make: Make
) -> None:
    """B-28: batches take turns."""
    set_(process, slice_seconds=0.0, chunk_size=5)
    batch = make.batch(make.members(12), published=True)
    queue.flushall()
    unlocks.unlock(batch.id)
    with process.app_context():
        rest = drafts.get(batch.id)
        part = db.session.scalars(select(BatchRange)).one()
        assert (rest.run_processed, part.lease_owner, part.failed_claims) == (5, None, 0)
    assert rings(queue) == [f"unlock-{batch.id}"]
    unlocks.unlock(batch.id)
    unlocks.unlock(batch.id)
    unlocks.unlock(batch.id)
    with process.app_context():
        assert drafts.get(batch.id).status_label == "Published"


def test_while_another_batch_waits_a_turn_is_short(
    process: Flask, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B-28: if no other batch waits, the batch continues; otherwise it hands over."""
    monkeypatch.setattr(time_slice, "TURN", 0.0)
    set_(process, chunk_size=5)
    alone = make.batch(make.members(12, "a"), published=True)
    unlocks.unlock(alone.id)
    first = make.batch(make.members(12, "b"), published=True)
    make.batch(make.members(12, "c"), published=True)
    unlocks.unlock(first.id)
    with process.app_context():
        assert drafts.get(alone.id).status_label == "Published"
        assert drafts.get(first.id).run_processed == 5


# pytest's own timeout would use the same timer.
@pytest.mark.timeout(300, method="thread")
def test_the_time_limit_is_raised_until_the_job_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """J12: even if the first one is raised where Python swallows exceptions, such as in a destructor."""
    monkeypatch.setattr(worker, "AGAIN", 0.5)
    strikes = 0
    with pytest.raises(JobTimeoutException), worker.RepeatingTimeout(1, JobTimeoutException):
        while True:
            try:
                signal.pause()
            except JobTimeoutException:
                strikes += 1
                if strikes == 3:
                    raise
    assert strikes == 3
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert worker.LaurelWorker.death_penalty_class is worker.RepeatingTimeout


@pytest.mark.timeout(300, method="thread")
# If it is raised in a destructor, pytest warns about an exception that Python ignored; it is raised again.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_time_limit_of_a_job_is_not_swallowed(process: Flask, make: Make) -> None:
    """J12: it ends the loop, and undecided entries are processed later."""
    set_(process, chunk_size=1, lease_seconds=0.0, slice_seconds=60)
    batch = make.batch(make.members(3000), published=True)
    with pytest.raises(JobTimeoutException), worker.RepeatingTimeout(1, JobTimeoutException):
        unlocks.unlock(batch.id)
    with process.app_context():
        halfway = drafts.get(batch.id)
        assert halfway.running
        undecided = select(func.count()).where(Entry.outcome.is_(None))
        assert halfway.published + (db.session.scalar(undecided) or 0) == 3000
    set_(process, chunk_size=1000, lease_seconds=20)
    unlocks.unlock(batch.id)
    with process.app_context():
        assert drafts.get(batch.id).published == 3000


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_never_makes_two_runners(process: Flask, make: Make, hours: int) -> None:
    """J22: PostgreSQL uses its own clock; on SQLite the lease may end early, but fencing still works."""
    batch = make.batch(make.members(3), published=True)
    now = datetime.now(UTC)
    with process.app_context():
        with transaction():
            first = processing.claim(batch.id, "first", 20, 10, now)
        with time_machine.travel(now + timedelta(hours=hours), tick=True):
            with transaction():
                second = processing.claim(batch.id, "second", 20, 10, now)
            assert (second is not None) == (hours > 0 and db.engine.dialect.name == "sqlite")
            if second:
                with pytest.raises(LeaseLostError), transaction():
                    processing.process_chunk(first, 10, now)
            with transaction():
                assert processing.process_chunk(second or first, 10, now)
        assert drafts.get(batch.id).published == 3


def test_a_forked_child_never_uses_its_parents_connection(app: Flask) -> None:
    """J23, F26: four children, 200 queries each, while the parent has an open pool."""
    with app.app_context():
        db.session.execute(text("SELECT 1"))
        db.session.remove()
        children = []
        for number in range(4):
            pid = os.fork()
            if pid == 0:
                try:
                    right = all(
                        db.session.execute(text(f"SELECT {number * 1000 + step}")).scalar()
                        == number * 1000 + step
                        for step in range(200)
                    )
                    os._exit(0 if right else 1)
                except BaseException:
                    os._exit(2)
            children.append(pid)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
        assert db.session.execute(text("SELECT 7")).scalar() == 7


def refuse(*member_ids: int) -> None:
    """Make the database reject every award to these members."""
    poison = ", ".join(map(str, member_ids))
    with transaction():
        if db.engine.dialect.name == "sqlite":
            db.session.execute(
                text(
                    f"CREATE TRIGGER poison BEFORE INSERT ON awards WHEN NEW.member_id IN ({poison}) "
                    "BEGIN SELECT RAISE(ABORT, 'poison'); END"
                )
            )
        else:
            db.session.execute(
                text(
                    "CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    f"IF NEW.member_id IN ({poison}) THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$"
                )
            )
            db.session.execute(
                text(
                    "CREATE TRIGGER poison BEFORE INSERT ON awards FOR EACH ROW EXECUTE FUNCTION poison()"
                )
            )


@pytest.fixture
def heal(process: Flask) -> Iterator[None]:
    """Remove the restriction after the test."""
    yield
    with process.app_context(), transaction():
        on = "" if db.engine.dialect.name == "sqlite" else " ON awards"
        db.session.execute(text(f"DROP TRIGGER poison{on}"))


@pytest.mark.usefixtures("heal")
def test_entries_that_the_database_rejects_become_errors_and_the_others_continue(
    process: Flask, make: Make
) -> None:
    """J15, R6: three attempts and a reason; no other member is delayed."""
    set_(process, chunk_size=100, slice_seconds=600)
    ids = make.members(300)
    batch = make.batch(ids, published=True)
    with process.app_context():
        refuse(ids[2], ids[150], ids[299])
    unlocks.unlock(batch.id)
    with process.app_context():
        done = drafts.get(batch.id)
        assert (done.status_label, done.published, done.errors) == ("Partially published", 297, 3)
        failed = entries.page(done, 1, "Error").items
        assert {entry.member_id for entry in failed} == {ids[2], ids[150], ids[299]}
        assert {entry.reason for entry in failed} == {"Failed three times and was skipped."}
        assert maintenance.differing(since=batch.created_at) == []
