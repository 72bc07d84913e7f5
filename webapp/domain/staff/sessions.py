"""The acting person's sessions: list them and sign out (R-4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from webapp.database import db, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.lookup import NO_KEY_UPDATE
from webapp.domain.staff import two_factor
from webapp.domain.staff.accounts import VerifiedPassword
from webapp.models import Staff, StaffSession
from webapp.models.staff import SESSION_IDLES, SESSION_LASTS


def list_sessions(staff_id: int, at: datetime) -> list[StaffSession]:
    """Return active sessions, the most recently used first."""
    living = (
        StaffSession.staff_id == staff_id,
        StaffSession.created_at > at - SESSION_LASTS,
        StaffSession.seen_at > at - SESSION_IDLES,
    )
    newest_first = StaffSession.seen_at.desc(), StaffSession.id.desc()
    return list(db.session.scalars(select(StaffSession).where(*living).order_by(*newest_first)))


def confirm(session_id: int, proof: VerifiedPassword, code: str, actor: Actor) -> bool:
    """Record that the password, and the code if two-factor authentication is on, was confirmed in this session now.

    Returns False, changing nothing except using up the code, if the code is wrong, the password was changed since it
    was checked, or the session has ended or is someone else's.
    """
    person = db.session.get_one(Staff, proof.staff_id, with_for_update=NO_KEY_UPDATE)
    if actor.staff_id != person.id or not person.active or person.password != proof.password:
        return False
    if two_factor.is_on(person.id) and not two_factor.verify(person.id, code, actor):
        return False
    if proof.rehashed:
        person.password = proof.rehashed
    confirmed = update(StaffSession).where(
        StaffSession.id == session_id, StaffSession.staff_id == person.id
    )
    return execute_rowcount(confirmed.values(confirmed_at=actor.at)) == 1


def end(session_id: int, actor: Actor) -> bool:
    ended = delete(StaffSession).where(
        StaffSession.id == session_id, StaffSession.staff_id == actor.staff_id
    )
    if not execute_rowcount(ended):
        return False
    audit_log.write(actor, "staff.session_ended", "staff", actor.staff_id)
    return True


def end_all(actor: Actor) -> int:
    """End all sessions of the acting person, including the current one; return how many."""
    ended = execute_rowcount(delete(StaffSession).where(StaffSession.staff_id == actor.staff_id))
    if ended:
        audit_log.write(actor, "staff.sessions_ended", "staff", actor.staff_id, ended=ended)
    return ended
