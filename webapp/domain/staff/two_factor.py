"""Two-factor authentication: codes of an authenticator app, and the roles that require them (R-4, S7)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import delete, func, insert, select

from webapp.database import db
from webapp.database.locks import Lock, lock_exclusive
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.lookup import require
from webapp.domain.staff import recovery_codes
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt, needs_reencryption
from webapp.models import (
    PendingFactor,
    RecoveryCode,
    Role,
    SecondFactor,
    Staff,
    StaffSession,
    TwoFactorRequiredRole,
)

log = logging.getLogger(__name__)

PENDING_LASTS = timedelta(minutes=10)  # from showing a secret to confirming it
STEP = 30  # seconds; a code is accepted in its own step and the ones before and after


@dataclass(frozen=True)
class TwoFactorStatus:
    on_since: datetime | None
    codes: int  # recovery codes left
    demanded: bool  # by the role


def state(staff: Staff) -> TwoFactorStatus:
    since = select(SecondFactor.confirmed_at).where(SecondFactor.staff_id == staff.id)
    codes = select(func.count()).where(RecoveryCode.staff_id == staff.id)
    demanded = (
        select(TwoFactorRequiredRole.role).where(TwoFactorRequiredRole.role == staff.role).exists()
    )
    row = db.session.execute(
        select(since.scalar_subquery(), codes.scalar_subquery(), demanded)
    ).one()
    return TwoFactorStatus(row[0], row[1], bool(row[2]))


def is_on(staff_id: int) -> bool:
    on = select(SecondFactor.staff_id).where(SecondFactor.staff_id == staff_id)
    return bool(db.session.scalar(select(on.exists())))


def begin(session_id: int, actor: Actor) -> None:
    """Create a new secret for the acting person's app, pending in this session only; not idempotent.

    Raises `DomainError` if two-factor authentication is on, `NotFoundError` if the session isn't theirs or has ended.
    """
    staff_id = _person(actor)
    if _lock_factor(staff_id):
        raise DomainError("staff.two_factor_on")
    session = db.session.get(StaffSession, session_id, with_for_update=True)
    if session is None or session.staff_id != staff_id:
        raise NotFoundError("common.staff_not_found")
    db.session.execute(delete(PendingFactor).where(PendingFactor.session_id == session_id))
    secret = encrypt(pyotp.random_base32())
    db.session.add(PendingFactor(session_id=session_id, secret=secret, created_at=actor.at))
    db.session.flush()


def secret_to_scan(session_id: int, at: datetime) -> str | None:
    """Return this session's pending secret in base 32, or None; it expires after ten minutes."""
    pending = db.session.get(PendingFactor, session_id)
    if pending is None or pending.created_at <= at - PENDING_LASTS:
        return None
    try:
        return decrypt(pending.secret)
    except DecryptionError:
        return None


def address_to_scan(secret: str, email: str) -> str:
    """Return the `otpauth:` URL for the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="Laurel")


def confirm(session_id: int, code: str, actor: Actor) -> list[str]:
    """Turn on two-factor authentication if the code fits this session's secret; return the recovery codes.

    Deletes pending secrets of the person's other sessions. Raises `DomainError` if the code is wrong, or the session
    has no secret that is less than ten minutes old.
    """
    staff_id = _person(actor)
    if _lock_factor(staff_id):
        raise DomainError("staff.nothing_to_confirm")
    pending = db.session.get(PendingFactor, session_id, populate_existing=True)
    session = db.session.get(StaffSession, session_id)
    is_own_session = session is not None and session.staff_id == staff_id
    if pending is None or not is_own_session or pending.created_at <= actor.at - PENDING_LASTS:
        raise DomainError("staff.setup_expired")
    factor = SecondFactor(staff_id=staff_id, secret=pending.secret, created_at=pending.created_at)
    factor.last_step = 0
    step = _step(factor, code, actor.at)
    if step is None:
        raise DomainError("staff.code_wrong", "code")
    factor.confirmed_at, factor.last_step = actor.at, step
    db.session.add(factor)
    theirs = select(StaffSession.id).where(StaffSession.staff_id == staff_id)
    db.session.execute(delete(PendingFactor).where(PendingFactor.session_id.in_(theirs)))
    audit_log.write(actor, "staff.factor_set_up", "staff", staff_id)
    return recovery_codes.create(staff_id)


def renew_codes(staff_id: int, actor: Actor) -> list[str]:
    """Replace the recovery codes and return them, once. Raises DomainError without two-factor authentication."""
    factor = _lock_factor(staff_id)
    if factor is None:
        raise DomainError("staff.two_factor_off")
    audit_log.write(actor, "staff.codes_renewed", "staff", staff_id)
    return recovery_codes.create(staff_id)


def remove(staff_id: int, actor: Actor) -> bool:
    """Turn off another person's two-factor authentication, with its recovery codes; return whether it was on.

    Raises `DomainError` for the person's own: `remove_own` does that.
    """
    if staff_id == actor.staff_id:
        raise DomainError("staff.turn_off_own")
    return _remove(staff_id, actor)


def remove_own(actor: Actor) -> bool:
    """Turn off the acting person's two-factor authentication; return whether it was on."""
    return _remove(_person(actor), actor)


def _remove(staff_id: int, actor: Actor) -> bool:
    factor = _lock_factor(staff_id)
    if factor is None:
        return False
    db.session.delete(factor)
    recovery_codes.delete(staff_id)
    audit_log.write(actor, "staff.factor_removed", "staff", staff_id)
    return True


def verify(staff_id: int, typed: str, actor: Actor) -> bool:
    """Check an app's code, each valid once, or a recovery code, which is used up."""
    factor = _lock_factor(staff_id)
    if factor is None:
        return False
    if recovery_codes.looks_like_one(typed):
        used = recovery_codes.redeem(staff_id, typed)
        if used:
            left = recovery_codes.remaining(staff_id)
            audit_log.write(actor, "staff.code_used", "staff", staff_id, left=left)
        return used
    step = _step(factor, typed, actor.at)
    if step is None:
        return False
    factor.last_step = step
    return True


def required_roles() -> set[Role]:
    return {Role(role) for role in db.session.scalars(select(TwoFactorRequiredRole.role))}


def require_for_roles(roles: Iterable[Role], actor: Actor) -> bool:
    """Require two-factor authentication for exactly these roles, from their next sign-in; False if unchanged."""
    lock_exclusive(Lock.TWO_FACTOR_ROLES)
    chosen, before = set(roles), required_roles()
    if chosen == before:
        return False
    db.session.execute(
        delete(TwoFactorRequiredRole).where(TwoFactorRequiredRole.role.in_(before - chosen))
    )
    rows = [{"role": role, "since": actor.at} for role in chosen - before]
    if rows:
        db.session.execute(insert(TwoFactorRequiredRole), rows)
    named = ", ".join(role.label for role in Role if role in chosen) or "no one"
    audit_log.write(actor, "staff.factor_demanded", "staff", roles=named)
    return True


def reencrypt_secrets() -> int:
    """Encrypt every secret with the current SECRET_KEY; return how many were not. Skips undecryptable ones."""
    renewed = 0
    for factor in db.session.scalars(select(SecondFactor).with_for_update()):
        if not needs_reencryption(factor.secret):
            continue
        with suppress(DecryptionError):  # reported when its owner signs in
            factor.secret = encrypt(decrypt(factor.secret))
            renewed += 1
    return renewed


def _person(actor: Actor) -> int:
    if actor.staff_id is None:
        raise NotFoundError("common.staff_not_found")
    return actor.staff_id


def _lock_factor(staff_id: int) -> SecondFactor | None:
    """Return the second factor after locking its owner's row, so that concurrent codes are checked one at a time."""
    require(Staff, staff_id, lock=True)
    return db.session.get(SecondFactor, staff_id, populate_existing=True)


def _step(factor: SecondFactor, typed: str, at: datetime) -> int | None:
    """Return the step of the typed code: the current one or a neighbor, later than the last one used."""
    try:
        app = pyotp.TOTP(decrypt(factor.secret), interval=STEP)
    except DecryptionError:
        log.error(
            "account %s: its two-factor secret was encrypted with a SECRET_KEY that is no longer configured",
            factor.staff_id,
        )
        return None
    code = "".join(typed.split()).encode("utf-8", "replace").decode()  # no lone surrogates
    try:
        step = app.verify_and_get_timecode(code, for_time=at, valid_window=1)
    except OTPVerificationError:
        return None
    return step if step > factor.last_step else None
