"""Many people press `Publish` concurrently."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from flask import Flask
from sqlalchemy import func, select

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import runs
from webapp.models import AuditEvent, Origin
from webapp.transaction import transaction


def test_twenty_publishes_of_one_batch_are_one(app: Flask, make: Make) -> None:
    """X25, R4: one transition, one entry in the audit log, and every caller gets the batch's current state."""
    batch = make.batch(make.members(50))
    together = Barrier(20)

    def publish(_: int) -> tuple[str, int]:
        with app.app_context():
            together.wait()
            with transaction():
                published = runs.publish(batch.id, Actor(at=NOW, origin=Origin.CONSOLE))
                return published.status_label, published.run_total

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(publish, range(20)))
    assert set(answers) == {("Unpublished", 50)}
    rows = select(func.count()).where(
        AuditEvent.verb == "batch.published", AuditEvent.subject_id == batch.id
    )
    assert db.session.scalar(rows) == 1
