"""The sessions of whoever acts: where they are signed in, and signing out there (R-4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from webapp.database import changed_rows, db
from webapp.domain import record
from webapp.domain.act import Act
from webapp.models import StaffSession
from webapp.models.staff import SESSION_IDLES, SESSION_LASTS


def of(staff_id: int, at: datetime) -> list[StaffSession]:
    """The sessions that live, the one used last first."""
    living = (
        StaffSession.staff_id == staff_id,
        StaffSession.created_at > at - SESSION_LASTS,
        StaffSession.seen_at > at - SESSION_IDLES,
    )
    newest_first = StaffSession.seen_at.desc(), StaffSession.id.desc()
    return list(db.session.scalars(select(StaffSession).where(*living).order_by(*newest_first)))


def end(session_id: int, act: Act) -> bool:
    """Ends one of their sessions; says whether it was there. Somebody else's is not."""
    ended = delete(StaffSession).where(
        StaffSession.id == session_id, StaffSession.staff_id == act.staff_id
    )
    if not changed_rows(ended):
        return False
    record.write(act, "staff.session_ended", "staff", act.staff_id)
    return True


def end_all(act: Act) -> int:
    """Ends every session of theirs, the one they act in too; says how many."""
    ended = changed_rows(delete(StaffSession).where(StaffSession.staff_id == act.staff_id))
    if ended:
        record.write(act, "staff.sessions_ended", "staff", act.staff_id, ended=ended)
    return ended
