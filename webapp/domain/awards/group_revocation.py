"""Revoke a badge from up to 50 holders at once (E-4).

For ten minutes the person who did it can undo it as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Select, select, update
from sqlalchemy.orm import joinedload

from webapp.database import db, execute_rowcount
from webapp.database.arrays import in_array
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.awards import undo as undo_rules
from webapp.domain.awards.common import effective_time, restore_awards
from webapp.domain.awards.manual import validate_revocation
from webapp.domain.errors import DomainError, ErrorCollector
from webapp.domain.lookup import locking_members, require
from webapp.domain.rules.locking import lock_shared
from webapp.domain.webhooks import outbox
from webapp.models import Award, GroupRevocation, Member, MemberStatus, Quest, WebhookEvent
from webapp.models.award import HOLDERS

AT_MOST = 50


@dataclass(frozen=True)
class Revoked:
    """What a group revocation did: members who lost the badge, and awards that had been revoked before."""

    members: int
    gone: int
    group_id: int | None = None


def chosen(badge_id: int, award_ids: list[int]) -> list[Award]:
    """Return those of the awards that can be revoked, with member and quest, in the order of usernames; one query.

    Raises DomainError for no awards, or for more than 50.
    """
    _check_number(award_ids)
    query = _active(badge_id, award_ids).options(
        joinedload(Award.quest).joinedload(Quest.badge), joinedload(Award.member)
    )
    return list(db.session.scalars(query.order_by(Member.username_key, Award.id)))


def revoke(badge_id: int, award_ids: list[int], reason: str, actor: Actor) -> Revoked:
    """Revoke awards of a badge as one action, each as `manual.revoke` does (M-5, M-14).

    Those that are already revoked don't change, so repeating it revokes none. Raises DomainError as `chosen` does, and
    if Support gives no reason.
    """
    refusals = ErrorCollector()
    with refusals:
        _check_number(award_ids)
    with refusals:
        reason = validate_revocation(reason, actor)
    refusals.raise_if_any()
    active = _active(badge_id, award_ids)
    member_ids = _lock(active.with_only_columns(Award.member_id))
    quest_ids = list(db.session.scalars(select(Quest.id).where(Quest.badge_id == badge_id)))
    at = effective_time(member_ids, quest_ids, actor)
    revoked = db.session.execute(
        update(Award)
        .where(
            in_array(Award.id, award_ids),
            in_array(Award.member_id, member_ids),
            in_array(Award.quest_id, quest_ids),
            Award.revoked_at.is_(None),
        )
        .values(
            revoked_at=at,
            updated_at=at,
            revoked_by=actor.staff_id,
            revoke_source=HOLDERS,
            revoke_reason=reason,
        )
        .returning(Award.id, Award.member_id)
        .execution_options(synchronize_session=False)
    ).all()
    members = len({member_id for _, member_id in revoked})
    gone = len(set(award_ids)) - len(revoked)
    if not revoked:
        return Revoked(0, gone)
    ids = sorted(award_id for award_id, _ in revoked)
    actor = replace(actor, at=at)
    audit_log.write(actor, "group.revoked", "badge", badge_id, members=members, gone=gone)
    outbox.emit(WebhookEvent.AWARD_REVOKED, ids, at)
    return Revoked(members, gone, _keep(badge_id, ids, members, actor))


def _check_number(award_ids: list[int]) -> None:
    if not award_ids:
        raise DomainError("awards.holders_missing")
    if len(set(award_ids)) > AT_MOST:
        raise DomainError("awards.too_many_holders", number=len(set(award_ids)), limit=AT_MOST)


def _active(badge_id: int, award_ids: list[int]) -> Select[Award]:
    return (
        select(Award)
        .join(Award.quest)
        .join(Award.member)
        .where(
            in_array(Award.id, award_ids),
            Quest.badge_id == badge_id,
            Award.revoked_at.is_(None),
            Member.status != MemberStatus.ERASED,
        )
    )


def _lock(members: Select[int]) -> list[int]:
    query = select(Member.id).where(Member.id.in_(members))
    return list(db.session.scalars(locking_members(query)))


def _keep(badge_id: int, award_ids: list[int], members: int, actor: Actor) -> int:
    group = GroupRevocation(
        badge_id=badge_id, created_at=actor.at, created_by=actor.staff_id, members=members
    )
    db.session.add(group)
    db.session.flush()
    execute_rowcount(
        update(Award).where(in_array(Award.id, award_ids)).values(group_revocation_id=group.id)
    )
    return group.id


def get(group_id: int) -> GroupRevocation:
    return require(GroupRevocation, group_id, options=[joinedload(GroupRevocation.badge)])


def can_undo(group: GroupRevocation, actor: Actor) -> bool:
    return group.undone_at is None and undo_rules.can_undo(
        group.created_by, group.created_at, actor
    )


@dataclass(frozen=True)
class Undone:
    group: GroupRevocation
    members: int
    kept: int  # awards that were restored or made again since, or whose members were erased
    changed: bool


def undo(group_id: int, actor: Actor) -> Undone:
    """Restore all awards of a group revocation as one action, as `manual.restore` does. Idempotent.

    Members who hold the quest again keep what they have. Raises NotFoundError, and DomainError for anyone but the
    person who revoked them, and after ten minutes.
    """
    lock_shared()
    group = get(group_id)
    db.session.refresh(group, with_for_update={"of": GroupRevocation})
    if group.undone_at is not None and group.created_by == actor.staff_id:
        return Undone(group, 0, 0, False)
    undo_rules.validate_undo(group.created_by, group.created_at, actor)
    revoked = Award.group_revocation_id == group.id
    member_ids = _lock(select(Award.member_id).where(revoked))
    awards = db.session.execute(select(Award.id, Award.quest_id).where(revoked)).all()
    at = effective_time(member_ids, sorted({quest_id for _, quest_id in awards}), actor)
    made = restore_awards(revoked, at, actor)
    group.undone_at = at
    members, kept = len({award.member_id for award in made}), len(awards) - len(made)
    audit_log.write(
        replace(actor, at=at),
        "group.restored",
        "badge",
        group.badge_id,
        members=members,
        kept=kept,
    )
    return Undone(group, members, kept, True)
