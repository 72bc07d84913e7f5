"""Translate a rule into a condition on `Member`.

With `few`, the query covers a chunk of members, and awards are looked up per member. Otherwise PostgreSQL may scan all
of the quest's awards for each member while its statistics lack those awards (12,000 members: 34 s instead of 3 s). For
the whole community it reads the quest's awards once, as it should.
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
    terms = [holds(condition, at, few=few) for condition in conditions]
    return or_(*terms) if any_of else and_(*terms)


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
    """True if a person or API key revoked the quest and didn't restore it, so that no rule awards it again (M-14).

    Undoing a batch or a group award doesn't count.
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
    """True if a qualifying member would be awarded: active, without the quest, and not revoked by anyone."""
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
    """Return how a qualifying member earned it, as `wording.pack` stores it; of alternatives, the first true one."""
    terms = list(conditions)
    if not any_of:
        return literal(wording.pack(terms))
    return case(
        *((holds(term, at, few=few), literal(wording.pack([term]))) for term in terms),
        else_=literal(""),
    )
