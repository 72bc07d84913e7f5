"""What follows a correct password or code: the sign-in, or the question for a code."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Select, select

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.staff import login_throttle, two_factor
from webapp.domain.staff.accounts import VerifiedPassword
from webapp.messages import Message, message
from webapp.models import AuditEvent, SecondFactor, Staff

SUSPICION_LASTS = timedelta(days=30)


def complete(attempt_id: int, proof: VerifiedPassword, actor: Actor) -> tuple[Staff | None, bool]:
    """Takes the counted failure back and keeps a password hashed anew; earlier failures stay.

    Returns the person and whether a code is asked of them now; else the sign-in is recorded. Nobody, and the failure
    stays, where the password was changed or the account disabled while it was looked at.
    """
    staff = _locked(proof.staff_id)
    if not staff.active or staff.password != proof.password:
        return None, False
    if proof.rehashed:
        staff.password = proof.rehashed
    waits = two_factor.is_on(staff.id)
    if not waits:
        _record(staff, attempt_id, actor)
    login_throttle.cancel_attempt(attempt_id)
    return staff, waits


def pending_two_factor(name: str) -> Staff | None:
    """Who gave a right password and owes a code, by what a session would name them by.

    None if they were disabled since, have another password, or owe none any more.
    """
    owing = select(Staff).join(SecondFactor, SecondFactor.staff_id == Staff.id)
    on = SecondFactor.confirmed_at.is_not(None)
    return db.session.scalar(owing.where(Staff.security_stamp == name, Staff.active, on))


def verify_code(
    attempt_id: int, staff_id: int, name: str, typed: str, actor: Actor, browser: str = ""
) -> bool:
    """Whether the code is right: then takes the counted failure back and records the sign-in, else the failure.

    `name` is the `halfway` person's: it is another once their password is changed, and then no code is right. `browser`
    tells the attempts of one browser from those of others.
    """
    staff = _locked(staff_id)
    by = actor.by(staff)
    still = staff.active and staff.security_stamp == name
    if not still or not two_factor.accept(staff_id, typed, by):
        if still:
            audit_log.write(actor, "staff.code_failed", "staff", staff_id, browser=browser)
        login_throttle.record_failure(attempt_id, staff.email, actor)
        return False
    _record(staff, attempt_id, actor)
    login_throttle.cancel_attempt(attempt_id)
    return True


def signed_out(actor: Actor) -> None:
    audit_log.write(actor, "staff.signed_out", "staff", actor.staff_id)


def failed_codes(staff_id: int, since: datetime, most: int = 5) -> list[AuditEvent]:
    """Entries about wrong codes after the right password of this account, newest first."""
    entries = _entries(staff_id, "staff.code_failed").where(AuditEvent.at > since)
    return list(db.session.scalars(entries.limit(most)))


def suspicion(staff_id: int, at: datetime, browser: str = "") -> Message | None:
    """What to tell someone who has just signed in about wrong codes typed elsewhere since the time before, or None.

    At most 30 days and 100 attempts back. Wrong codes in this `browser` are their own mistakes.
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


def _locked(staff_id: int) -> Staff:
    return db.session.get_one(Staff, staff_id, with_for_update={"key_share": True})
