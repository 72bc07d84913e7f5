"""J19: a full disk, simulated by limiting the number of pages in SQLite's file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from jobs import unlocks
from tests.conftest import migrate, settings_for
from tests.factories import NOW, Make
from tests.faults.console import await_
from tests.jobs.process import job_process
from webapp import create_app
from webapp.database import db
from webapp.domain.batches import drafts, processing
from webapp.domain.operations import maintenance

SIZE = 2_000


class Disk:
    """The disk under a database: `pages` is its size, 0 for unlimited."""

    def __init__(self, app: Flask) -> None:
        self.app, self.pages = app, 0
        with app.app_context():
            event.listen(db.engine, "connect", self.limit)

    def limit(self, connection: object, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {self.pages or 1_073_741_823}")  # type: ignore[attr-defined]

    def has_left(self, pages: int | None) -> None:
        """Leave this many pages free; None for plenty."""
        with self.app.app_context():
            used = db.session.scalar(text("PRAGMA page_count"))
            db.session.rollback()
            self.pages = 0 if pages is None else used + pages
            db.engine.dispose()


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Flask, Disk]]:
    """An app on SQLite as in the jobs' process, and its disk."""
    settings = replace(settings_for("", tmp_path), chunk_size=100, lease_seconds=0.1)
    migrate(settings)
    app = create_app(settings)
    with job_process(app):
        yield app, Disk(app)
    with app.app_context():
        db.engine.dispose()


def test_a_full_disk_leaves_nothing_half_written(
    full: tuple[Flask, Disk], caplog: pytest.LogCaptureFixture
) -> None:
    """J19: the slice fails midway; once there is room again the batch continues, and every member gets the badge."""
    app, disk = full
    make = Make(app)
    batch = make.batch(make.members(SIZE), published=True)
    disk.has_left(12)
    with suppress(OperationalError):  # no room even to record the error
        unlocks.unlock(batch.id)
    assert "database or disk is full" in caplog.text
    with app.app_context():
        broken = drafts.get(batch.id)
        assert broken.running
        assert 0 < broken.run_processed < SIZE
        counted = db.session.scalar(text("SELECT count(*) FROM awards"))
        assert counted == broken.run_processed == broken.published
        assert maintenance.differing(since=NOW) == []
        assert db.session.scalar(text("PRAGMA integrity_check")) == "ok"
        db.session.rollback()
    disk.has_left(None)

    def ended() -> bool:
        unlocks.unlock(batch.id)  # as the clock enqueues it once the lease has expired
        with app.app_context():
            return not drafts.get(batch.id).running

    await_(ended, 20, "the batch goes on")
    with app.app_context():
        done = drafts.get(batch.id)
        assert (done.status_label, done.published) == ("Published", SIZE)
        assert db.session.scalar(text("SELECT count(*) FROM awards")) == SIZE
        assert processing.waiting() == []
