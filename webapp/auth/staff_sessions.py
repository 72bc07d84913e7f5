"""Staff sessions: the signed cookie holds a random key; the database decides whether it is valid.

Writes are short transactions on a separate connection, so that reading a page never holds or waits for a write lock.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Executable, bindparam, delete, insert, select, true, update

from webapp.database import DB_UNAVAILABLE, db
from webapp.domain.community import Brand
from webapp.infrastructure.encryption import encrypt
from webapp.models import (
    Community,
    SecondFactor,
    SsoSession,
    Staff,
    StaffSession,
    TwoFactorRequiredRole,
)
from webapp.models.staff import NEVER, SESSION_IDLES, SESSION_LASTS

NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class CurrentSession:
    """An active session, whether two-factor authentication must be set up before anything else, and what pages show."""

    id: int
    staff: Staff
    since: datetime
    confirmed_at: datetime  # when credentials were last entered for this session
    must_set_up: bool
    brand: Brand
    check_at: datetime | None = None  # when the provider must be asked again


@dataclass(frozen=True)
class ProviderSession:
    """What a session keeps of a single sign-on, to end with the provider's session and to end that one."""

    identity_id: int
    sid: str
    id_token: str
    refresh_token: str
    check_at: datetime
    entered_at: datetime | None  # when credentials were entered at the provider, if it says so


def start(
    staff_id: int,
    at: datetime,
    instead_of: str | None = None,
    *,
    browser: str = "",
    address: str = "",
    provider: ProviderSession | None = None,
    confirmed: bool = True,
) -> str:
    """Start a session, end the one with the key `instead_of`, and return the new key.

    `browser` and `address` help the owner recognize the session. `provider` is given for single sign-on: the session is
    confirmed from when credentials were entered there. Other sessions are unless they aren't `confirmed`.
    """
    key = secrets.token_urlsafe(32)
    confirmed_at = provider.entered_at if provider else at if confirmed else None
    row = {
        "staff_id": staff_id,
        "key_hash": _hash(key),
        "created_at": at,
        "seen_at": at,
        "confirmed_at": confirmed_at or NEVER,
        "browser": browser[:60],
        "address": address[:64],
    }
    writes: list[Executable] = [insert(StaffSession).values(row)]
    if instead_of:
        writes.insert(0, delete(StaffSession).where(StaffSession.key_hash == _hash(instead_of)))
    if provider:
        started = select(StaffSession.id).where(StaffSession.key_hash == row["key_hash"])
        values = {
            "session_id": started.scalar_subquery(),
            "identity_id": provider.identity_id,
            "sid": provider.sid[:255],
            "id_token": encrypt(provider.id_token),
            "refresh_token": encrypt(provider.refresh_token) if provider.refresh_token else None,
            "check_at": provider.check_at,
        }
        writes.append(insert(SsoSession).values(values))
    _write(*writes)
    return key


def find(key: str, at: datetime, *, used: bool = True) -> CurrentSession | None:
    """Return the session and record its use; one query.

    Returns None if the session ended, was idle for 1 h, is older than 12 h, or its account is disabled. Pass
    `used=False` for requests that a page makes by itself, which don't count as activity.
    """
    row = db.session.execute(
        _FIND,
        {"key_hash": _hash(key), "since": at - SESSION_LASTS, "seen_since": at - SESSION_IDLES},
    ).one_or_none()
    if row is None:
        return None
    number, since, seen_at, confirmed_at, staff, must_set_up, name, logo_hash, check_at = row
    if used and seen_at <= at - NOTED_EVERY:
        with suppress(
            *DB_UNAVAILABLE
        ):  # a page must not fail because someone else is writing; the next request records it
            _write(
                update(StaffSession)
                .where(StaffSession.key_hash == _hash(key), StaffSession.seen_at == seen_at)
                .values(seen_at=at)
            )
    brand = Brand.of(name, logo_hash)
    return CurrentSession(number, staff, since, confirmed_at, bool(must_set_up), brand, check_at)


_REQUIRED = select(TwoFactorRequiredRole.role).where(
    TwoFactorRequiredRole.role == Staff.role, TwoFactorRequiredRole.since <= StaffSession.created_at
)
_SET_UP = select(SecondFactor.staff_id).where(SecondFactor.staff_id == Staff.id)
# Compiled once: every request runs it, and building it takes longer than executing it.
_FIND = (
    select(
        StaffSession.id,
        StaffSession.created_at,
        StaffSession.seen_at,
        StaffSession.confirmed_at,
        Staff,
        # A provider asks for its own second factor.
        _REQUIRED.exists() & ~_SET_UP.exists() & SsoSession.session_id.is_(None),
        Community.name,
        Community.logo_hash,
        SsoSession.check_at,
    )
    .join(StaffSession, StaffSession.staff_id == Staff.id)
    .outerjoin(SsoSession, SsoSession.session_id == StaffSession.id)
    .outerjoin(Community, true())
    .where(
        StaffSession.key_hash == bindparam("key_hash"),
        StaffSession.created_at > bindparam("since"),
        StaffSession.seen_at > bindparam("seen_since"),
        Staff.active,
    )
)


def end(key: str) -> None:
    """End the session for every copy of its cookie. Idempotent."""
    _write(delete(StaffSession).where(StaffSession.key_hash == _hash(key)))


def _write(*statements: Any) -> None:
    with (
        db.engine.connect().execution_options(write=True) as connection,
        connection.begin(),
    ):
        for statement in statements:
            connection.execute(statement)


def _hash(key: str) -> str:
    # The key has 256 random bits, so a plain hash is enough to make a leaked table useless.
    return hashlib.sha256(key.encode()).hexdigest()
