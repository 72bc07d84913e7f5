"""Shared by awards to one member and to a group."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, func, select

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
from webapp.models import Award, AwardSource, Member, Quest, WebhookEvent

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


def effective_time(member_ids: list[int], quest_id: int, actor: Actor) -> datetime:
    """Return the action's time, moved after the last change of these awards if this machine's clock is slow."""
    last = select(
        func.max(Award.awarded_at), func.max(Award.revoked_at), func.max(Award.restored_at)
    ).where(in_array(Award.member_id, member_ids), Award.quest_id == quest_id)
    return max([actor.at, *(at for at in db.session.execute(last).one() if at is not None)])


def make_awards(
    members: Select[int], quest_id: int, at: datetime, **values: object
) -> dict[int, int]:
    """Insert awards of a quest as `insert_awards` does; queue rule candidates and webhooks.

    Returns the IDs of the new awards by member.
    """
    lock_shared()
    new = insert_awards(members, quest_id=quest_id, **values)
    made = dict(db.session.execute(new.returning(Award.member_id, Award.id)).all())
    if made:
        candidates.note_awarded([(quest_id, member_id) for member_id in made], at)
        outbox.emit(WebhookEvent.AWARD_CREATED, list(made.values()), at)
    return made


def award_by_hand(
    member_ids: list[int],
    quest_id: int,
    reason: str,
    source: AwardSource,
    at: datetime,
    actor: Actor,
) -> dict[int, int]:
    """Award a quest to the members who lack it; return the IDs of the new awards by member."""
    return make_awards(
        select(Member.id).where(in_array(Member.id, member_ids)).order_by(Member.id),
        quest_id,
        at,
        source=source,
        awarded_at=at,
        awarded_by=actor.staff_id,
        awarded_key=actor.key_id,
        reason=reason,
    )
