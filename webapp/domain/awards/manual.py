"""Award, revoke and restore by hand, for one member.

Awarding and revoking lock the member first, so that the audit log is in the order of events. The unique index enforces
one active award per quest; batch workers do not take this lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from sqlalchemy import Executable, bindparam, select, update
from sqlalchemy.orm import contains_eager, load_only

from webapp.database import LARGEST_ID, db, dialect_name, prepared, returned
from webapp.domain import award_sync
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.awards import queries as award_queries
from webapp.domain.awards import undo
from webapp.domain.awards.common import (
    award_by_hand,
    effective_time,
    quest_to_award,
    restore_awards,
    validate,
    validate_reason,
    validate_recipient,
)
from webapp.domain.errors import DomainError, ErrorCollector, NotFoundError
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.domain.members.identify import keys_of
from webapp.domain.members.named import NamedMember, find_member_id
from webapp.domain.rules.locking import lock_shared, sharing_lock
from webapp.domain.webhooks import outbox
from webapp.models import (
    Award,
    AwardSource,
    Badge,
    Member,
    MemberStatus,
    Quest,
    Role,
    WebhookEvent,
)
from webapp.models.award import UNDOABLE


@dataclass(frozen=True)
class AwardResult:
    """The award after the action, and whether this action changed it."""

    award: Award
    changed: bool


def award(
    member_id: int,
    quest_id: int | None,
    reason: str,
    actor: Actor,
    source: AwardSource = AwardSource.PROFILE,
) -> AwardResult:
    """Award a quest to a member; does nothing if they already hold it (M-4, M-13).

    Raises NotFoundError for an unknown member, DomainError if the quest can't be awarded or the member is inactive.
    """
    quest, reason = validate(quest_id, reason)
    member = require(Member, member_id, lock=NO_KEY_UPDATE)
    lock_shared()
    return _award(member, quest, reason, source, actor)


def award_named(named: NamedMember, quest_id: int, reason: str, actor: Actor) -> AwardResult:
    """Award a quest to a member whom another system names, as `award` does.

    Raises DomainError also if they aren't found, together with an error of the quest.
    """
    if found := _lock_named(named, quest_id):
        member, quest = found
        return _award(member, quest, validate_reason(reason), AwardSource.API, actor)
    refusals = ErrorCollector()  # find out why, unless they have just been added
    with refusals:
        quest_to_award(quest_id)
    with refusals:
        member_id = find_member_id(named)
    refusals.raise_if_any()
    return award(member_id, quest_id, reason, actor, AwardSource.API)


def _lock_named(named: NamedMember, quest_id: int) -> tuple[Member, Quest] | None:
    """Lock a member who can be found by exactly what is given, and return them with an open quest; one statement."""
    row = named.row(1)
    keys = zip(("external_id", "username_key", "email_key"), keys_of([row]), strict=True)
    given = {name: key for name, (key,) in keys if key}
    if row.problem or row.email_problem or not given:
        return None
    query = _locking_named(dialect_name(), *given)
    found = db.session.execute(query, {**given, "quest_id": min(quest_id, LARGEST_ID)}).first()
    return (found[0], found[1]) if found else None


@cache
def _locking_named(_dialect: str, *keys: str) -> Executable:
    """Return the statement that finds an open quest, and locks the member with all these keys."""
    query = (
        select(Member, Quest)
        .join(Quest, Quest.id == bindparam("quest_id"))
        .join(Quest.badge)
        .options(
            load_only(Member.external_id, Member.username, Member.name, Member.status),
            load_only(Quest.name),
            contains_eager(Quest.badge).load_only(Badge.name),
        )
        .where(
            *(getattr(Member, key) == bindparam(key) for key in keys),
            Member.status != MemberStatus.ERASED,
            Quest.archived_at.is_(None),
            Badge.archived_at.is_(None),
        )
        .with_for_update(of=Member, key_share=True)
        .execution_options(populate_existing=True)
    )
    return prepared(sharing_lock(query))


def _award(
    member: Member, quest: Quest, reason: str, source: AwardSource, actor: Actor
) -> AwardResult:
    """Award a quest to a locked member, with the rules' shared lock."""
    validate_recipient(member)
    at, new = award_by_hand([member], quest, reason, source, actor)
    for award in new:
        audit_log.write(replace(actor, at=at), "award.made", "award", award.id, quest=quest.id)
        return AwardResult(award, changed=True)
    which = {"member_id": member.id, "quest_id": quest.id}
    return AwardResult(db.session.scalars(_LATEST, which).one(), changed=False)


_LATEST = (
    award_queries.with_details()
    .where(Award.member_id == bindparam("member_id"), Award.quest_id == bindparam("quest_id"))
    .order_by(Award.id.desc())
    .limit(1)
)


def revoke(
    member_id: int,
    award_id: int,
    reason: str,
    actor: Actor,
    source: AwardSource = AwardSource.PROFILE,
) -> AwardResult:
    """Revoke an award; does nothing if it is already revoked (M-5, M-14).

    Raises DomainError if Support gives no reason, NotFoundError if the member has no such award.
    """
    reason = validate_revocation(reason, actor)
    award = _lock_award(member_id, award_id)
    at = max(actor.at, award.awarded_at, award.restored_at or award.awarded_at)
    changed = db.session.execute(
        update(Award)
        .where(Award.id == award.id, Award.revoked_at.is_(None))
        .values(
            revoked_at=at,
            updated_at=at,
            revoked_by=actor.staff_id,
            revoked_key=actor.key_id,
            revoke_source=source,
            revoke_reason=reason,
        )
        .returning(
            returned(outbox.has_subscribers(WebhookEvent.AWARD_REVOKED), "subscribed"),
            returned(award_sync.is_in_use(), "shown"),
        )
        .execution_options(synchronize_session=False)
    ).first()
    if changed:
        subscribed, shown = changed
        audit_log.write(
            replace(actor, at=at), "award.revoked", "award", award.id, quest=award.quest_id
        )
        outbox.emit(
            WebhookEvent.AWARD_REVOKED, [award.id], at, webhooks=subscribed, communities=shown
        )
    db.session.flush()
    db.session.refresh(award)
    return AwardResult(award, changed is not None)


def member_of(award_id: int) -> int:
    """Return the ID of the award's member. Raises NotFoundError."""
    return require(Award, award_id).member_id


def restore(member_id: int, award_id: int, actor: Actor) -> AwardResult:
    """Undo a revocation: a new award restores the old one with its date, source and reason (M-5).

    Raises DomainError for anyone but the person who revoked it, and after ten minutes. Does nothing if the member holds
    the quest again. Works for archived badges and inactive members too, because it only restores the previous state.
    """
    revoked = _lock_award(member_id, award_id)
    if revoked.revoked_at is None:
        return AwardResult(revoked, False)
    if revoked.revoke_source not in UNDOABLE:
        raise DomainError("awards.undo_not_yours")
    undo.validate_undo(revoked.revoked_by, revoked.revoked_at, actor)
    at = effective_time([member_id], [revoked.quest_id], actor)
    made = restore_awards(Award.id == revoked.id, at, actor)
    if made:
        audit_log.write(
            replace(actor, at=at),
            "award.restored",
            "award",
            made[0].id,
            quest=revoked.quest_id,
        )
    return AwardResult(revoked, bool(made))


def can_restore(award: Award, actor: Actor) -> bool:
    """True if this person revoked the award within the last ten minutes."""
    return (
        award.revoked_at is not None
        and award.revoke_source in UNDOABLE
        and undo.can_undo(award.revoked_by, award.revoked_at, actor)
    )


def validate_revocation(reason: str, actor: Actor) -> str:
    """Return the reason, validated. Raises DomainError, also if Support gives none."""
    reason = validate_reason(reason)
    if not reason and needs_reason(actor):
        raise DomainError("awards.reason_required", "reason")
    return reason


def needs_reason(actor: Actor) -> bool:
    """True if this person must give a reason to revoke (R-1)."""
    return actor.staff is not None and actor.staff.role == Role.SUPPORT


def _lock_award(member_id: int, award_id: int) -> Award:
    require(Member, member_id, lock=NO_KEY_UPDATE)
    award = require(Award, award_id, fresh=True)
    if award.member_id != member_id:
        raise NotFoundError("common.award_not_found")
    return award
