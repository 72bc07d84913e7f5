"""A member's status: whether they can receive badges (D-5)."""

from __future__ import annotations

from webapp.database import LARGEST_ID, db
from webapp.domain import record
from webapp.domain.actor import Actor
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.rules import due
from webapp.domain.rules.gate import enter
from webapp.models import Member, MemberStatus
from webapp.models.member import STANDINGS


def change(member_id: int, status: str, actor: Actor) -> bool:
    """Makes a member active, suspended or left; says whether they were something else before.

    raises NotFoundError where there is no such member, DomainError for another status.
    """
    enter()
    member = db.session.get(
        Member,
        min(member_id, LARGEST_ID),
        with_for_update={"key_share": True},
        populate_existing=True,
    )
    if member is None or member.status == MemberStatus.ERASED:
        raise NotFoundError("There is no such member.")
    if status not in list(STANDINGS):
        raise DomainError("Choose Active, Suspended or Left.", "status")
    before = MemberStatus(member.status)
    if before == status:
        return False
    member.status, member.updated_at = MemberStatus(status), actor.at
    record.write(
        actor,
        "member.status_changed",
        "member",
        member.id,
        was=before.label,
        now=MemberStatus(status).label,
    )
    if status == MemberStatus.ACTIVE:
        db.session.flush()
        due.returned([member.id], actor.at)
    return True
