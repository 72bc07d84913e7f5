"""Sessions of the staff: the signed cookie holds a random key, the database decides whether it lives.

Writes are short transactions on a connection of their own, so that a page that is only read never
waits with, or holds, SQLite's write lock.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Executable, delete, insert, select, update

from webapp.database import db
from webapp.models import Staff, StaffSession

IDLE = timedelta(hours=1)
WHOLE = timedelta(hours=12)
NOTED_EVERY = timedelta(minutes=1)


def start(staff_id: int, at: datetime, instead_of: str | None = None) -> str:
    """Begins a session and returns its key; the session with the key `instead_of` ends."""
    key = secrets.token_urlsafe(32)
    row = {"staff_id": staff_id, "key_hash": _hash(key), "created_at": at, "seen_at": at}
    writes: list[Executable] = [insert(StaffSession).values(row)]
    if instead_of:
        writes.insert(0, delete(StaffSession).where(StaffSession.key_hash == _hash(instead_of)))
    _write(*writes)
    return key


def find(key: str, at: datetime) -> Staff | None:
    """Whose session the key is, noting that it was used; None once it ended, idled 1 h, is 12 h old,
    or belongs to somebody who was disabled."""
    found = db.session.execute(
        select(Staff, StaffSession.seen_at)
        .join(StaffSession, StaffSession.staff_id == Staff.id)
        .where(
            StaffSession.key_hash == _hash(key),
            StaffSession.created_at > at - WHOLE,
            StaffSession.seen_at > at - IDLE,
            Staff.active,
        )
    ).one_or_none()
    if found is None:
        return None
    staff, seen_at = found
    if seen_at <= at - NOTED_EVERY:
        _write(
            update(StaffSession)
            .where(StaffSession.key_hash == _hash(key), StaffSession.seen_at == seen_at)
            .values(seen_at=at)
        )
    return staff


def end(key: str) -> None:
    """Ends the session with this key; every copy of its cookie is dead. Nothing happens if it has ended."""
    _write(delete(StaffSession).where(StaffSession.key_hash == _hash(key)))


def _write(*statements: Any) -> None:
    with (
        db.engine.connect().execution_options(write=True) as connection,
        connection.begin(),
    ):
        for statement in statements:
            connection.execute(statement)


def _hash(key: str) -> str:
    # The key has 256 random bits: nothing to guess, so a plain hash keeps a stolen table useless.
    return hashlib.sha256(key.encode()).hexdigest()
