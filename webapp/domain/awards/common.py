"""Shared by awards to one member and to a group."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Executable, Select, bindparam, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.orm.attributes import set_committed_value

from webapp.database import LARGEST_ID, db, dialect_name, prepared
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
    last = db.session.execute(
        _SELECT_LAST_CHANGES, {"member_ids": member_ids, "quest_ids": quest_ids}
    )
    return max([actor.at, *(at for at in last.one() if at is not None)])


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
    rows = db.session.execute(new.returning(*_MADE))
    made = [Made(*row) for row in rows]
    candidates.note_awarded([(award.quest_id, award.member_id) for award in made], at)
    kind = WebhookEvent.AWARD_RESTORED if "restores_id" in values else WebhookEvent.AWARD_CREATED
    outbox.emit(kind, [award.id for award in made], at, webhooks=webhooks)
    return made


_MADE = (Award.id, Award.member_id, Award.quest_id)


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
    members: list[Member], quest: Quest, reason: str, source: AwardSource, actor: Actor
) -> tuple[datetime, list[Award]]:
    """Award a quest to the members who lack it; return when, and the new awards with their member and quest."""
    lock_shared()
    one = len(members) == 1
    by_id = {member.id: member for member in members}
    which = {"member_ids": members[0].id if one else list(by_id), "quest_id": quest.id}
    *last, required, subscribed = db.session.execute(_before_award(one=one), which).one()
    at = max([actor.at, *(moment for moment in last if moment is not None)])
    values = {
        **which,
        "source": source,
        "at": at,
        "staff_id": actor.staff_id,
        "key_id": actor.key_id,
        "reason": reason,
    }
    awards = list(db.session.scalars(_insert_by_hand(dialect_name(), one=one), values))
    for award in awards:
        set_committed_value(award, "member", by_id[award.member_id])
        set_committed_value(award, "quest", quest)
    if required:
        candidates.note_awarded([(quest.id, award.member_id) for award in awards], at)
    outbox.emit(WebhookEvent.AWARD_CREATED, [award.id for award in awards], at, webhooks=subscribed)
    return at, awards


_LAST_CHANGES = (
    func.max(Award.awarded_at),
    func.max(Award.revoked_at),
    func.max(Award.restored_at),
)
_SELECT_LAST_CHANGES = select(*_LAST_CHANGES).where(
    in_array(Award.member_id, "member_ids"), in_array(Award.quest_id, "quest_ids")
)


@cache
def _before_award(*, one: bool) -> Executable:
    query = select(
        *_LAST_CHANGES,
        candidates.is_required(bindparam("quest_id")),
        outbox.has_subscribers(WebhookEvent.AWARD_CREATED),
    )
    return prepared(
        query.where(_among(Award.member_id, one=one), Award.quest_id == bindparam("quest_id"))
    )


@cache
def _insert_by_hand(_dialect: str, *, one: bool) -> Executable:
    of = Award.__table__.c
    at = bindparam("at", type_=of.awarded_at.type)
    new = insert_awards(
        select(Member.id).where(_among(Member.id, one=one)).order_by(Member.id),
        updated_at=at,
        quest_id=bindparam("quest_id", type_=of.quest_id.type),
        source=bindparam("source", type_=of.source.type),
        awarded_at=at,
        awarded_by=bindparam("staff_id", type_=of.awarded_by.type),
        awarded_key=bindparam("key_id", type_=of.awarded_key.type),
        reason=bindparam("reason", type_=of.reason.type),
    )
    return prepared(select(Award).from_statement(new.returning(*of)))


def _among(member_id: InstrumentedAttribute[int], *, one: bool) -> ColumnElement[bool]:
    """The condition on `member_ids`. For one member it is an equality, which PostgreSQL needs to plan only once."""
    return member_id == bindparam("member_ids") if one else in_array(member_id, "member_ids")
