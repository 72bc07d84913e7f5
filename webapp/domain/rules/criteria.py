"""Whom a rule fits, as a question to the database about `Member`.

With `few` the question is about a chunk of the members, and awards are looked up member by member. Otherwise PostgreSQL
looks through all awards of the quest for each of them, as long as its statistics don't know of those awards (measured:
12,000 members in 34 s, and in 3 s so). Of a whole community it takes all awards of the quest at once, and should.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, literal, not_, or_
from sqlalchemy.orm import aliased

from webapp.domain.rules import wording
from webapp.models import ActivityCount, Award, Member, MemberStatus
from webapp.models.award import UNDO_SOURCES
from webapp.models.rule import ConditionKind


def fits(
    conditions: Iterable[Any], any_of: bool, at: datetime, *, few: bool = False
) -> ColumnElement[bool]:
    """Whether a member has done what the conditions ask, at a moment."""
    results = [holds(condition, at, few=few) for condition in conditions]
    return or_(*results) if any_of else and_(*results)


def holds(condition: Any, at: datetime, *, few: bool = False) -> ColumnElement[bool]:
    if condition.kind == ConditionKind.DAYS:
        return Member.joined_at <= at - timedelta(days=condition.amount)
    if condition.kind == ConditionKind.QUEST:
        return has_award(condition.required_id, few=few)
    return exists().where(
        ActivityCount.member_id == Member.id,
        ActivityCount.activity == condition.activity,
        ActivityCount.amount >= condition.amount,
    )


def has_award(quest_id: int, *, few: bool = False) -> ColumnElement[bool]:
    return exists().where(
        Award.member_id == Member.id, _of(quest_id, few), Award.revoked_at.is_(None)
    )


def was_revoked(quest_id: int, *, few: bool = False) -> ColumnElement[bool]:
    """Whether a person or a key took the quest from a member, and did not bring it back: no rule gives it again (M-14).

    Undoing a batch or a group award does not count.
    """
    back = aliased(Award)
    return exists().where(
        Award.member_id == Member.id,
        _of(quest_id, few),
        Award.revoked_at.is_not(None),
        Award.revoke_source.not_in(UNDO_SOURCES),
        not_(exists().where(back.restores_id == Award.id)),
    )


def receives(quest_id: int, *, few: bool = False) -> ColumnElement[bool]:
    """Whether a member whom the rule fits is awarded: active, without the quest, and nobody took it from them."""
    return and_(
        Member.status == MemberStatus.ACTIVE,
        not_(has_award(quest_id, few=few)),
        not_(was_revoked(quest_id, few=few)),
    )


def _of(quest_id: int, few: bool) -> ColumnElement[bool]:
    return Award.quest_id + 0 == quest_id if few else Award.quest_id == quest_id


def why(
    conditions: Iterable[Any], any_of: bool, at: datetime, *, few: bool = False
) -> ColumnElement[str]:
    """By what a member whom the rule fits has earned it, in words; of alternatives by the first that is true."""
    conditions_ = list(conditions)
    if not any_of:
        return literal(wording.sentence(conditions_, any_of=False))
    return case(
        *(
            (holds(condition, at, few=few), literal(wording.of(condition)))
            for condition in conditions_
        ),
        else_=literal(""),
    )
