"""A member's status, which decides whether they can receive badges (D-5)."""

from __future__ import annotations

from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.errors import DomainError
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.domain.webhooks import outbox
from webapp.models import Member, MemberStatus, WebhookEvent
from webapp.models.member import ASSIGNABLE_STATUSES


def change(member_id: int, status: str, actor: Actor) -> bool:
    """Make a member active, suspended or left; return whether the status changed.

    Raises NotFoundError for an unknown member, DomainError for an unknown status.
    """
    lock_shared()
    member = require(Member, member_id, lock=NO_KEY_UPDATE)
    if status not in list(ASSIGNABLE_STATUSES):
        raise DomainError("members.status_unknown", "status")
    before = MemberStatus(member.status)
    if before == status:
        return False
    member.status, member.updated_at = MemberStatus(status), actor.at
    audit_log.write(
        actor,
        "member.status_changed",
        "member",
        member.id,
        was=before,
        now=status,
    )
    db.session.flush()
    outbox.emit(WebhookEvent.MEMBER_CHANGED, [member.id], actor.at)
    if status == MemberStatus.ACTIVE:
        candidates.note_reactivated([member.id], actor.at)
    return True
