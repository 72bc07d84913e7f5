"""Shared by awards to one member and to a group."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import aliased

from webapp.database import LARGEST_ID, db
from webapp.database.arrays import in_array
from webapp.domain import labels
from webapp.domain.actor import Actor
from webapp.domain.award_insert import insert_awards
from webapp.domain.badges import quests as badge_quests
from webapp.domain.errors import DomainError, ErrorCollector
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.domain.webhooks import outbox
from webapp.models import Award, AwardSource, Member, MemberStatus, Quest, WebhookEvent

REASON_LENGTH = 500


def validate_reason(reason: str) -> str:
    reason = reason.strip()
    labels.validate_text(reason, "reason", REASON_LENGTH, "reason")
    return reason


def validate(quest_id: int | None, reason: str) -> tuple[Quest, str]:
    """Return the quest and reason, validated. Raises both errors together."""
    refusals = ErrorCollector()
    with refusals:
        quest = quest_to_award(quest_id)
    with refusals:
        reason = validate_reason(reason)
    refusals.raise_if_any()
    return quest, reason


def quest_to_award(quest_id: int | None) -> Quest:
    if quest_id is None:
        raise DomainError("awards.badge_missing", "quest")
    return badge_quests.open_quest(min(quest_id, LARGEST_ID))


def validate_recipient(member: Member) -> None:
    if member.status != MemberStatus.ACTIVE:
        raise DomainError(f"awards.member_{member.status}", member=member.display_name)


def effective_time(member_ids: list[int], quest_ids: list[int], actor: Actor) -> datetime:
    """Return the action's time, moved after the last change of these awards if this machine's clock is slow."""
    last = select(
        func.max(Award.awarded_at), func.max(Award.revoked_at), func.max(Award.restored_at)
    ).where(in_array(Award.member_id, member_ids), in_array(Award.quest_id, quest_ids))
    return max([actor.at, *(at for at in db.session.execute(last).one() if at is not None)])


class Made(NamedTuple):
    """A new award."""

    id: int
    member_id: int
    quest_id: int


def make_awards(
    members: Select[int], at: datetime, *, webhooks: bool = True, **values: object
) -> list[Made]:
    """Insert awards as `insert_awards` does; queue rule candidates, write events, and send them unless told not to."""
    lock_shared()
    new = insert_awards(members, updated_at=at, **values)
    rows = db.session.execute(new.returning(Award.id, Award.member_id, Award.quest_id))
    made = [Made(*row) for row in rows]
    if made:
        candidates.note_awarded([(award.quest_id, award.member_id) for award in made], at)
        restored = values.get("restores_id") is not None
        kind = WebhookEvent.AWARD_RESTORED if restored else WebhookEvent.AWARD_CREATED
        outbox.emit(kind, [award.id for award in made], at, webhooks=webhooks)
    return made


def restore_awards(revoked: ColumnElement[bool], at: datetime, actor: Actor) -> list[Made]:
    """Make an award for each of the `revoked` ones, with its date, source and reason.

    Leaves out those restored before, those whose members hold the quest again, and those of erased members.
    """
    old, back = Award.__table__.c, aliased(Award)
    kept = ("quest_id", "batch_id", "group_id", "source", "awarded_at", "awarded_by", "awarded_key")
    members = (
        select(Award.member_id)
        .join(Award.member)
        .where(
            revoked,
            Award.revoked_at.is_not(None),
            Member.status != MemberStatus.ERASED,
            ~exists().where(back.restores_id == Award.id),
        )
        .order_by(Award.member_id, Award.id)
    )
    values: dict[str, Any] = {name: old[name] for name in (*kept, "reason")}
    return make_awards(
        members,
        at,
        **values,
        restores_id=old.id,
        restored_at=at,
        restored_by=actor.staff_id,
    )


def award_by_hand(
    member_ids: list[int],
    quest_id: int,
    reason: str,
    source: AwardSource,
    at: datetime,
    actor: Actor,
) -> dict[int, int]:
    """Award a quest to the members who lack it; return the IDs of the new awards by member."""
    made = make_awards(
        select(Member.id).where(in_array(Member.id, member_ids)).order_by(Member.id),
        at,
        quest_id=quest_id,
        source=source,
        awarded_at=at,
        awarded_by=actor.staff_id,
        awarded_key=actor.key_id,
        reason=reason,
    )
    return {award.member_id: award.id for award in made}
