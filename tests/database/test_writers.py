"""Concurrent writers wait, and get an error if it takes too long (X30, R5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from flask import Flask
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from tests.conftest import settings_for
from tests.factories import Make
from webapp import create_app
from webapp.config import Settings
from webapp.database import db, dialect_name, engine
from webapp.models import Member
from webapp.transaction import transaction


def other() -> Connection:
    """Another connection that declares its write at the start."""
    return db.engine.connect().execution_options(write=True)


def rename(app: Flask, member_id: int, began: Event) -> None:
    with app.app_context():
        began.set()
        with transaction():
            db.session.get_one(Member, member_id, with_for_update=True).name = "Second"


def test_a_writer_waits_for_the_one_before(app: Flask, make: Make) -> None:
    """Both writes are stored, the later one last."""
    member, began = make.member("anna"), Event()
    with ThreadPoolExecutor(1) as threads:
        with other() as writing, writing.begin():
            writing.execute(text("UPDATE members SET name = 'First'"))
            waiting = threads.submit(rename, app, member.id, began)
            assert began.wait(30)
            assert not waiting.done()
        waiting.result(60)
    db.session.rollback()
    assert db.session.get_one(Member, member.id).name == "Second"


def test_a_writer_that_waits_too_long_gets_an_error_and_can_retry(
    database: Settings, app: Flask, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is partially written, and the connection can be used again."""
    member = make.member("anna")
    monkeypatch.setattr(engine, "LOCK_TIMEOUT_S", 200)
    impatient = create_app(database, web=False)
    with app.app_context(), other() as writing, writing.begin():
        writing.execute(text("UPDATE members SET name = 'First'"))
        with pytest.raises(OperationalError, match="lock"):
            rename(impatient, member.id, Event())
    rename(impatient, member.id, Event())
    with impatient.app_context():
        assert db.session.get_one(Member, member.id).name == "Second"
        if dialect_name() == "sqlite":  # for anything else that may have to wait
            assert db.session.scalar(text("PRAGMA busy_timeout")) == 200
        db.session.remove()
        db.engine.dispose()


def test_errors_other_than_locks_are_raised_at_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """SQLite: a missing folder is not retried like a lock."""
    adrift = create_app(settings_for("sqlite:////nowhere/x", tmp_path_factory.mktemp("adrift")))
    with adrift.app_context(), pytest.raises(OperationalError, match="unable to open"), other():
        pass
