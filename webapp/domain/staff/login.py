"""Complete a login after a correct password or code."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Select, select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.lookup import NO_KEY_UPDATE
from webapp.domain.staff import login_throttle, two_factor
from webapp.domain.staff.accounts import VerifiedPassword
from webapp.messages import Message, message
from webapp.models import AuditEvent, SecondFactor, Staff

SUSPICION_LASTS = timedelta(days=30)


def complete(
    attempt_id: int, proof: VerifiedPassword, actor: Actor, *, everyone: bool = True
) -> tuple[Staff | None, bool]:
    """Cancel the counted failure and store a password's new hash; earlier failures stay.

    Returns the person, and whether they must enter a code; if not, records the sign-in. Returns no person, keeping the
    failure, if the password was changed or the account disabled during the check, or if only break-glass admins may
    use passwords.
    """
    staff = _lock_person(proof.staff_id)
    allowed = staff.active and (everyone or staff.break_glass)
    if not allowed or staff.password != proof.password:
        return None, False
    if proof.rehashed:
        staff.password = proof.rehashed
    waits = two_factor.is_on(staff.id)
    if not waits:
        _record(staff, attempt_id, actor)
    login_throttle.cancel_attempt(attempt_id)
    return staff, waits


def pending_two_factor(name: str) -> Staff | None:
    """Return who entered a correct password and still has to enter a code, by the name stored in the session.

    Returns None if they were disabled since, changed their password, or no longer need a code.
    """
    owing = select(Staff).join(SecondFactor, SecondFactor.staff_id == Staff.id)
    on = SecondFactor.confirmed_at.is_not(None)
    return db.session.scalar(owing.where(Staff.security_stamp == name, Staff.active, on))


def verify_code(
    attempt_id: int, staff_id: int, name: str, typed: str, actor: Actor, browser: str = ""
) -> bool:
    """Check a code: if correct, cancel the counted failure and record the sign-in; otherwise record the failure.

    `name` comes from the session and changes with the password; then no code is correct. `browser` distinguishes this
    browser's attempts from others.
    """
    staff = _lock_person(staff_id)
    by = actor.by(staff)
    still = staff.active and staff.security_stamp == name
    if not still or not two_factor.verify(staff_id, typed, by):
        if still:
            audit_log.write(actor, "staff.code_failed", "staff", staff_id, browser=browser)
        login_throttle.record_failure(attempt_id, staff.email, actor)
        return False
    _record(staff, attempt_id, actor)
    login_throttle.cancel_attempt(attempt_id)
    return True


def record_sign_out(actor: Actor) -> None:
    audit_log.write(actor, "staff.signed_out", "staff", actor.staff_id)


def failed_codes(staff_id: int, since: datetime, most: int = 5) -> list[AuditEvent]:
    """Return entries about wrong codes after this account's correct password, newest first."""
    entries = _entries(staff_id, "staff.code_failed").where(AuditEvent.at > since)
    return list(db.session.scalars(entries.limit(most)))


def wrong_code_warning(staff_id: int, at: datetime, browser: str = "") -> Message | None:
    """Return a warning about wrong codes entered elsewhere since the previous sign-in, or None.

    Looks back at most 30 days and 100 attempts. Wrong codes in this `browser` are the person's own mistakes.
    """
    signed_in = _entries(staff_id, "staff.signed_in").limit(2)
    times = [entry.at for entry in db.session.scalars(signed_in)]
    since = max([at - SUSPICION_LASTS, *times[1:]])
    failures = [
        failure
        for failure in failed_codes(staff_id, since, 100)
        if not browser or failure.detail.get("browser") != browser
    ]
    if not failures:
        return None
    return message("staff.second_step_failed", number=len(failures), address=failures[0].address)


def _entries(staff_id: int, verb: str) -> Select[AuditEvent]:
    about = (
        AuditEvent.subject_kind == "staff",
        AuditEvent.subject_id == staff_id,
        AuditEvent.verb == verb,
    )
    return select(AuditEvent).where(*about).order_by(AuditEvent.at.desc(), AuditEvent.id.desc())


def _record(staff: Staff, attempt_id: int, actor: Actor) -> None:
    failed = login_throttle.earlier_attempts(attempt_id)
    audit_log.write(actor.by(staff), "staff.signed_in", "staff", staff.id, failed=failed)


def _lock_person(staff_id: int) -> Staff:
    return db.session.get_one(Staff, staff_id, with_for_update=NO_KEY_UPDATE)
