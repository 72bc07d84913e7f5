"""Jobs are enqueued once after the commit, and never for what was rolled back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from flask import Flask
from rq.results import Result
from sqlalchemy import func, select

from tests.factories import NOW, Make
from tests.faults.console import contents
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, runs
from webapp.infrastructure import job_queue
from webapp.models import AuditEvent, Origin
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.CONSOLE)


def rings(queue: redis.Redis) -> list[str]:
    """The jobs in the queue, without the random part of their ids."""
    return [
        str(job, "ascii").rpartition("-")[0]
        for job in queue.lrange(f"rq:queue:{job_queue.QUEUE}", 0, -1)
    ]


def test_publishing_enqueues_once_after_the_commit(
    app: Flask, queue: redis.Redis, make: Make
) -> None:
    """J13: while the transaction is open, the queue is empty."""
    batch = make.batch(make.members(3))
    with app.app_context():
        with transaction():
            runs.publish(batch.id, ACT)
            runs.publish(batch.id, ACT)
            assert rings(queue) == []
        assert rings(queue) == [f"unlock-{batch.id}"]


def test_handing_over_inside_a_transaction_is_refused(
    app: Flask, queue: redis.Redis, make: Make
) -> None:  # J13, R10
    batch = make.batch(make.members(3))
    with app.app_context(), pytest.raises(RuntimeError, match="after the commit"), transaction():
        runs.publish(batch.id, ACT)
        job_queue.flush_after_commit()
    assert rings(queue) == []


def test_a_publish_that_is_rolled_back_leaves_nothing(
    app: Flask, queue: redis.Redis, make: Make
) -> None:
    """J14: no job, still a draft, no entry in the audit log."""
    batch = make.batch(make.members(3))
    with app.app_context():
        before = db.session.scalar(select(func.count()).select_from(AuditEvent))
        with pytest.raises(ZeroDivisionError), transaction():
            runs.publish(batch.id, ACT)
            raise ZeroDivisionError
        assert drafts.get(batch.id).draft
        assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == before
        with transaction():
            pass
    assert rings(queue) == []


def test_the_age_of_a_queue_is_that_of_its_oldest_job(
    app: Flask, queue: redis.Redis, make: Make
) -> None:
    batch = make.batch(make.members(3))
    with app.app_context():
        assert set(job_queue.ages(datetime.now(UTC)).values()) == {0.0}
        with transaction():
            runs.publish(batch.id, ACT)
        ages = job_queue.ages(datetime.now(UTC) + timedelta(seconds=90))
        assert 90 <= ages[job_queue.QUEUE] < 120
        assert ages[job_queue.DELIVERIES] == 0
        queue.lpush(f"rq:queue:{job_queue.QUEUE}", "unknown")
        assert job_queue.ages(datetime.now(UTC))[job_queue.QUEUE] == 0


def test_an_unreachable_queue_stops_no_one(app: Flask, make: Make) -> None:
    """J7: the app of these tests has no queue."""
    batch = make.batch(make.members(3))
    with app.app_context():
        with transaction():
            runs.publish(batch.id, ACT)
        assert drafts.get(batch.id).status_label == "Unpublished"


def test_the_clock_enqueues_only_work_without_a_job(app: Flask, queue: redis.Redis) -> None:
    with app.app_context():
        job_queue.enqueue_missing("unlock", [1, 12])
        job_queue.enqueue_missing("unlock", [1, 2, 12])
    assert rings(queue) == ["unlock-1", "unlock-12", "unlock-2"]


def test_an_unknown_job_is_a_mistake_at_once(app: Flask) -> None:
    with app.app_context(), pytest.raises(KeyError):
        job_queue.enqueue_after_commit("mow_the_lawn", 1)


def test_no_member_is_named_in_the_queue(app: Flask, queue: redis.Redis, make: Make) -> None:
    """I133, F23: jobs contain only ids."""
    member = make.member("anna-the-needle", name="Anna Needle")
    make.batch([member.id], name="A needle of a name", published=True)
    kept = contents(queue)
    assert any(b"jobs.unlocks.unlock" in value for value in kept.values())
    for key, value in kept.items():
        assert b"eedle" not in key + value


def test_a_name_in_a_failure_s_trace_would_be_found(app: Flask, queue: redis.Redis) -> None:
    """I133: RQ compresses tracebacks and data; the tests search the decompressed text."""
    with app.app_context():
        job_queue.enqueue_missing("unlock", [1])
        bell = job_queue.queue(queue)
        (job,) = bell.jobs
        Result.create_failure(job, 60, "Traceback: no such member: anna-the-needle")
    found = [key for key, value in contents(queue).items() if b"anna-the-needle" in value]
    assert len(found) == 1
