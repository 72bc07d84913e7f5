"""No two features share one of PostgreSQL's advisory locks."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask
from sqlalchemy import select, text

from tests.factories import Make
from webapp.database import db, locks
from webapp.database.locks import Lock, lock_exclusive, lock_shared
from webapp.domain.rules.locking import sharing_lock
from webapp.models import Member
from webapp.transaction import transaction

ROOT = Path(__file__).resolve().parents[2]
HELD = "SELECT objid, mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"


def test_every_lock_has_a_number_of_its_own() -> None:
    """An alias in the enum would give two features the same number."""
    numbers = [int(lock) for lock in Lock.__members__.values()]
    assert len(numbers) == len(set(numbers))
    assert list(Lock.__members__) == [lock.name for lock in Lock]


def test_only_the_enum_knows_numbers_of_locks() -> None:
    """A lock taken or numbered elsewhere would be overlooked when adding another."""
    numbers = "|".join(f"{lock:x}|{lock:d}" for lock in Lock)
    sought = re.compile(rf"advisory_(?:xact_)?(?:un)?lock|0x1a03|\b(?:{numbers})\b", re.IGNORECASE)
    files = [
        file for part in ("webapp", "jobs", "migrations") for file in (ROOT / part).rglob("*.py")
    ]
    found = [file for file in files if sought.search(file.read_text(encoding="utf-8"))]
    assert found == [Path(locks.__file__)]


def test_locks_are_taken_by_their_own_numbers(app: Flask) -> None:
    """On PostgreSQL two features take two locks. SQLite has no such locks."""
    with app.app_context(), transaction():
        lock_exclusive(Lock.TWO_FACTOR_ROLES)
        lock_shared(Lock.RULES)
        if db.engine.dialect.name == "sqlite":
            return
        held = {(number, mode) for number, mode in db.session.execute(text(HELD))}
    assert held == {
        (int(Lock.TWO_FACTOR_ROLES), "ExclusiveLock"),
        (int(Lock.RULES), "ShareLock"),
    }


def test_a_query_that_locks_rows_can_take_the_lock_of_rules_too(app: Flask, make: Make) -> None:
    """On PostgreSQL, by the time that it returns rows."""
    make.member("anna")
    with app.app_context(), transaction():
        assert db.session.scalars(sharing_lock(select(Member.username))).all() == ["anna"]
        if db.engine.dialect.name == "sqlite":
            return
        held = [(number, mode) for number, mode in db.session.execute(text(HELD))]
    assert held == [(int(Lock.RULES), "ShareLock")]
