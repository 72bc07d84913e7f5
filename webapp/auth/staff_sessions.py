"""Sessions of the staff: the signed cookie holds a random key, the database decides whether it lives.

Writes are short transactions on a connection of their own, so that a page that is only read never
waits with, or holds, SQLite's write lock.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Executable, bindparam, delete, insert, select, update

from webapp.database import DB_UNAVAILABLE, db
from webapp.models import SecondFactor, Staff, StaffSession, TwoFactorRequiredRole
from webapp.models.staff import SESSION_IDLES, SESSION_LASTS

NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class CurrentSession:
    """A living session: whose, since when, and whether a second factor has to be set up in it before all else."""

    id: int
    staff: Staff
    since: datetime
    confirmed_at: datetime  # when the password was last confirmed in it
    must_set_up: bool


def start(
    staff_id: int,
    at: datetime,
    instead_of: str | None = None,
    *,
    browser: str = "",
    address: str = "",
) -> str:
    """Begins a session and returns its key; the session with the key `instead_of` ends.

    `browser` and `address` tell its owner where it is.
    """
    key = secrets.token_urlsafe(32)
    row = {
        "staff_id": staff_id,
        "key_hash": _hash(key),
        "created_at": at,
        "seen_at": at,
        "confirmed_at": at,
        "browser": browser[:60],
        "address": address[:64],
    }
    writes: list[Executable] = [insert(StaffSession).values(row)]
    if instead_of:
        writes.insert(0, delete(StaffSession).where(StaffSession.key_hash == _hash(instead_of)))
    _write(*writes)
    return key


def find(key: str, at: datetime, *, used: bool = True) -> CurrentSession | None:
    """The session with this key, noting that it was used; None once it ended, idled 1 h, is 12 h old,
    or belongs to somebody who was disabled. One query.

    With `used=False` it is not noted: a page that asks for news by itself shows nobody at the keyboard.
    """
    row = db.session.execute(
        _FIND,
        {"key_hash": _hash(key), "since": at - SESSION_LASTS, "seen_since": at - SESSION_IDLES},
    ).one_or_none()
    if row is None:
        return None
    number, since, seen_at, confirmed_at, staff, must_set_up = row
    if used and seen_at <= at - NOTED_EVERY:
        with suppress(
            *DB_UNAVAILABLE
        ):  # a page is not refused because somebody else writes; the next request notes it
            _write(
                update(StaffSession)
                .where(StaffSession.key_hash == _hash(key), StaffSession.seen_at == seen_at)
                .values(seen_at=at)
            )
    return CurrentSession(number, staff, since, confirmed_at, bool(must_set_up))


_DEMANDED = select(TwoFactorRequiredRole.role).where(
    TwoFactorRequiredRole.role == Staff.role, TwoFactorRequiredRole.since <= StaffSession.created_at
)
_SET_UP = select(SecondFactor.staff_id).where(SecondFactor.staff_id == Staff.id)
# Every request asks it: making it takes longer than sending it.
_FIND = (
    select(
        StaffSession.id,
        StaffSession.created_at,
        StaffSession.seen_at,
        StaffSession.confirmed_at,
        Staff,
        _DEMANDED.exists() & ~_SET_UP.exists(),
    )
    .join(StaffSession, StaffSession.staff_id == Staff.id)
    .where(
        StaffSession.key_hash == bindparam("key_hash"),
        StaffSession.created_at > bindparam("since"),
        StaffSession.seen_at > bindparam("seen_since"),
        Staff.active,
    )
)


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
