"""Shared by awards to one member and to a group."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Executable, Select, bindparam, exists, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.orm.attributes import set_committed_value

from webapp.database import LARGEST_ID, db, dialect_name, prepared, returned, table
from webapp.database.arrays import in_array
from webapp.domain import award_sync, labels
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
    """Award a quest to the members who lack it; return when, and the new awards with their member and quest.

    Call it with the rules' shared lock. `actor` is moved after the last change of these awards, as by `effective_time`.
    """
    one = len(members) == 1
    by_id = {member.id: member for member in members}
    values = {
        "member_ids": members[0].id if one else list(by_id),
        "quest_id": quest.id,
        "source": source,
        "at": actor.at,
        "staff_id": actor.staff_id,
        "key_id": actor.key_id,
        "reason": reason,
    }
    made = db.session.execute(_insert_by_hand(dialect_name(), one=one), values).all()
    if not made:
        return actor.at, []
    _, required, subscribed, shown = made[0]
    awards = [award for award, *_ in made]
    for award in awards:
        set_committed_value(award, "member", by_id[award.member_id])
        set_committed_value(award, "quest", quest)
    at = awards[0].awarded_at
    if required:
        candidates.note_awarded([(quest.id, award.member_id) for award in awards], at)
    ids = [award.id for award in awards]
    outbox.emit(WebhookEvent.AWARD_CREATED, ids, at, webhooks=subscribed, communities=shown)
    return at, awards


_CHANGES = ("awarded_at", "revoked_at", "restored_at")
_SELECT_LAST_CHANGES = select(*(func.max(table(Award).c[name]) for name in _CHANGES)).where(
    in_array(Award.member_id, "member_ids"), in_array(Award.quest_id, "quest_ids")
)


@cache
def _insert_by_hand(dialect: str, *, one: bool) -> Executable:
    of = table(Award).c
    greatest = func.greatest if dialect == "postgresql" else func.max
    quest_id = bindparam("quest_id", type_=of.quest_id.type)
    at = bindparam("at", type_=of.awarded_at.type)
    last = (func.coalesce(func.max(of[name]), at) for name in _CHANGES)
    before = (
        select(greatest(at, *last, type_=at.type).label("at"))
        .where(_among(Award.member_id, one=one), Award.quest_id == quest_id)
        .subquery()
    )
    members = select(Member.id).join(before, true()).where(_among(Member.id, one=one))
    new = insert_awards(
        members.order_by(Member.id),
        updated_at=before.c.at,
        quest_id=quest_id,
        source=bindparam("source", type_=of.source.type),
        awarded_at=before.c.at,
        awarded_by=bindparam("staff_id", type_=of.awarded_by.type),
        awarded_key=bindparam("key_id", type_=of.awarded_key.type),
        reason=bindparam("reason", type_=of.reason.type),
    )
    required = returned(candidates.is_required(quest_id), "required")
    subscribed = returned(outbox.has_subscribers(WebhookEvent.AWARD_CREATED), "subscribed")
    shown = returned(award_sync.is_in_use(), "shown")
    made = new.returning(*of, required, subscribed, shown)
    return prepared(select(Award, required, subscribed, shown).from_statement(made))


def _among(member_id: InstrumentedAttribute[int], *, one: bool) -> ColumnElement[bool]:
    """The condition on `member_ids`. For one member it is an equality, which PostgreSQL needs to plan only once."""
    return member_id == bindparam("member_ids") if one else in_array(member_id, "member_ids")
