"""Rate limits for passwords and codes (S6), counted in the database before they are checked.

Attempts count per account and network, with a higher limit per account, and per address over all accounts. An attacker
elsewhere can't lock the owner out: a browser that has signed in to the account before has its own counter, and so has
every session that asks for the password again.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import ColumnElement, and_, delete, func, select

from webapp.database import db, execute_rowcount
from webapp.database.locks import Lock, lock_exclusive
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold
from webapp.models import AuditEvent, LoginAttempt, Staff

WINDOW = timedelta(minutes=15)
PER_SOURCE = 5  # of one account: from one network, one known browser, or one session
PER_ACCOUNT = 30  # of one account in total, except known browsers and sessions
CODES_PER_ACCOUNT = 10  # like PER_ACCOUNT, for codes: there are only a million of them
PER_ADDRESS = 20  # of all accounts
UNKNOWN_ACCOUNTS = 20  # audit log entries within WINDOW about accounts that don't exist
PASSWORD, CODE, AGAIN = "", "code ", "again "  # kinds of attempts, counted separately


class TooManyAttemptsError(DomainError):
    """Too many failed attempts; `wait` is the number of seconds until the next one is checked."""

    def __init__(self, wait: int) -> None:
        super().__init__("staff.too_many_attempts")
        self.wait = wait


@dataclass(frozen=True)
class _Attempt:
    """The keys under which an attempt is counted."""

    account: str
    source: str
    address: str
    known: bool


def record_attempt(
    email: str, address: str, at: datetime, *, tried: str = PASSWORD, device: str = ""
) -> int:
    """Count a sign-in attempt as failed in advance; return its ID for `cancel_attempt`.

    `device` is the ID of a browser that has signed in to this account before, or "". Raises `TooManyAttemptsError`,
    whether or not the account exists.
    """
    source = f"device {device}" if device else _network(address)
    most = CODES_PER_ACCOUNT if tried == CODE else PER_ACCOUNT
    attempt = _Attempt(_account(email, tried), source[:64], _address(address), bool(device))
    return _count(attempt, most, at)


def record_confirmation(session_id: int, email: str, address: str, at: datetime) -> int:
    """Count an attempt to confirm the password or a code in a session; otherwise like `record_attempt`."""
    attempt = _Attempt(_account(email, AGAIN), f"session {session_id}", _address(address), True)
    return _count(attempt, PER_SOURCE, at)


def cancel_attempt(attempt_id: int) -> None:
    """Remove a counted failure: the password was correct, or never checked."""
    db.session.execute(delete(LoginAttempt).where(LoginAttempt.id == attempt_id))


def reset(email: str) -> int:
    """Clear an account's counters after a new password or link; return the number of failures."""
    accounts = [_account(email, tried) for tried in (PASSWORD, CODE, AGAIN)]
    return execute_rowcount(delete(LoginAttempt).where(LoginAttempt.account.in_(accounts)))


def record_failure(attempt_id: int, email: str, actor: Actor) -> None:
    """Record a failed attempt, one audit log entry per account and source within 15 minutes, and the limits reached.

    Records nothing that was typed, because people type passwords into the wrong field. At most 20 entries within 15
    minutes are about accounts that don't exist.
    """
    failure = db.session.get(LoginAttempt, attempt_id)
    if failure is None:  # cleared since
        return
    staff_id = db.session.scalar(select(Staff.id).where(Staff.email == fold(email)))
    from_source = _ordinal(_of_source(failure), failure)
    if failure.source.startswith("session "):
        _record_confirmation(from_source, actor)
        return
    if failure.account == _account(email, PASSWORD) and from_source == 1:
        _record_failure(staff_id, failure, actor)
    if from_source == PER_SOURCE:
        source = "a browser that is known" if failure.known else failure.source
        audit_log.write(actor, "staff.limited", "staff", staff_id, tries=PER_SOURCE, source=source)
    if failure.known:
        return
    most = CODES_PER_ACCOUNT if failure.account == _account(email, CODE) else PER_ACCOUNT
    if _ordinal(_of_account(failure), failure) == most:
        audit_log.write(actor, "staff.limited", "staff", staff_id, tries=most)
    if _ordinal(_of_address(failure), failure) == PER_ADDRESS:
        where = failure.address
        audit_log.write(actor, "address.limited", "address", tries=PER_ADDRESS, address=where)


def earlier_attempts(attempt_id: int) -> int:
    """Count the failures of the same account and source in the 15 minutes before this one."""
    failure = db.session.get(LoginAttempt, attempt_id)
    return _ordinal(_of_source(failure), failure) - 1 if failure else 0


def _record_confirmation(number: int, actor: Actor) -> None:
    if number in (1, PER_SOURCE):
        audit_log.write(actor, "staff.confirmation_failed", "staff", actor.staff_id, tries=number)


def _record_failure(staff_id: int | None, failure: LoginAttempt, actor: Actor) -> None:
    if staff_id is None:
        if _ordinal(_of_address(failure), failure) > 1:
            return
        lately = AuditEvent.verb == "staff.sign_in_failed", AuditEvent.at > actor.at - WINDOW
        unknown = select(AuditEvent.id).where(*lately, AuditEvent.subject_id.is_(None))
        if len(db.session.scalars(unknown.limit(UNKNOWN_ACCOUNTS)).all()) == UNKNOWN_ACCOUNTS:
            return
    audit_log.write(actor, "staff.sign_in_failed", "staff", staff_id)


def _count(attempt: _Attempt, per_account: int, at: datetime) -> int:
    lock_exclusive(Lock.SIGN_IN_ATTEMPTS)
    failure = LoginAttempt(
        account=attempt.account,
        source=attempt.source,
        address=attempt.address,
        known=attempt.known,
        at=at,
    )
    _enforce_limit(_of_source(failure), PER_SOURCE, at)
    if not attempt.known:
        _enforce_limit(_of_account(failure), per_account, at)
        _enforce_limit(_of_address(failure), PER_ADDRESS, at)
    db.session.add(failure)
    db.session.flush()
    return failure.id


def _of_source(failure: LoginAttempt) -> ColumnElement[bool]:
    return and_(LoginAttempt.account == failure.account, LoginAttempt.source == failure.source)


def _of_account(failure: LoginAttempt) -> ColumnElement[bool]:
    return and_(LoginAttempt.account == failure.account, LoginAttempt.known.is_(False))


def _of_address(failure: LoginAttempt) -> ColumnElement[bool]:
    return and_(LoginAttempt.address == failure.address, LoginAttempt.known.is_(False))


def _account(email: str, tried: str) -> str:
    return hashlib.sha256((tried + fold(email)).encode("utf-8", "surrogatepass")).hexdigest()


def _ordinal(which: ColumnElement[bool], failure: LoginAttempt) -> int:
    """Ordinal of this failure within its rate-limit window, from 1."""
    counted = (
        select(func.count())
        .select_from(LoginAttempt)
        .where(which, LoginAttempt.at > failure.at - WINDOW, LoginAttempt.id <= failure.id)
    )
    return db.session.scalar(counted) or 0


def _enforce_limit(which: ColumnElement[bool], most: int, at: datetime) -> None:
    oldest_that_counts = db.session.scalar(
        select(LoginAttempt.at)
        .where(which, LoginAttempt.at > at - WINDOW)
        .order_by(LoginAttempt.at.desc())
        .offset(most - 1)
        .limit(1)
    )
    if oldest_that_counts is not None:
        raise TooManyAttemptsError(max(1, ceil((oldest_that_counts + WINDOW - at).total_seconds())))


def _network(address: str) -> str:
    """Return the network that counts as one source, because people and attackers change addresses within it."""
    return _within(address, 24, 48)


def _address(address: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 address, because one customer has all of it."""
    return _within(address, 32, 64)


def _within(address: str, bits: int, bits6: int) -> str:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ipaddress.ip_network((ip, bits6), strict=False))
        ip = ip.ipv4_mapped
    return str(ip) if bits == 32 else str(ipaddress.ip_network((ip, bits), strict=False))
