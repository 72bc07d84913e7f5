"""A member's status: whether they can receive badges (D-5)."""

from __future__ import annotations

from webapp.database import LARGEST_ID, db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.models import Member, MemberStatus
from webapp.models.member import ASSIGNABLE_STATUSES


def change(member_id: int, status: str, actor: Actor) -> bool:
    """Makes a member active, suspended or left; says whether they were something else before.

    raises NotFoundError where there is no such member, DomainError for another status.
    """
    lock_shared()
    member = db.session.get(
        Member,
        min(member_id, LARGEST_ID),
        with_for_update={"key_share": True},
        populate_existing=True,
    )
    if member is None or member.status == MemberStatus.ERASED:
        raise NotFoundError("There is no such member.")
    if status not in list(ASSIGNABLE_STATUSES):
        raise DomainError("Choose Active, Suspended or Left.", "status")
    before = MemberStatus(member.status)
    if before == status:
        return False
    member.status, member.updated_at = MemberStatus(status), actor.at
    audit_log.write(
        actor,
        "member.status_changed",
        "member",
        member.id,
        was=before.label,
        now=MemberStatus(status).label,
    )
    if status == MemberStatus.ACTIVE:
        db.session.flush()
        candidates.note_reactivated([member.id], actor.at)
    return True
