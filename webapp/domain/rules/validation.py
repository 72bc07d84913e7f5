"""Validate a rule: complete, meaningful, and possible to satisfy (T-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import LARGEST_ID, db
from webapp.database.arrays import in_array
from webapp.domain.errors import DomainError
from webapp.messages import Message
from webapp.models import Quest, Rule
from webapp.models.rule import Condition, ConditionKind

MOST = 10  # conditions per rule
LARGEST = 1_000_000_000
MOST_DAYS = 36_500
ACTIVITY = re.compile(r"[a-z0-9_.:\-]{1,60}")


@dataclass(frozen=True)
class ConditionDraft:
    kind: ConditionKind
    amount: int | None = None
    activity: str | None = None
    required_id: int | None = None
    required: Quest | None = field(default=None, compare=False)


@dataclass(frozen=True)
class RuleDraft:
    conditions: tuple[ConditionDraft, ...] = ()
    any_of: bool = False


def validate(quest: Quest, draft: RuleDraft) -> RuleDraft:
    """Return the rule as it would be stored. Raises DomainError, with the field, if it is incomplete or never true."""
    if not draft.conditions:
        raise DomainError("rules.conditions_missing", "what-0")
    if len(draft.conditions) > MOST:
        raise DomainError("rules.too_many_conditions", f"what-{MOST}", limit=MOST)
    required = _quests(
        [condition.required_id for condition in draft.conditions if condition.required_id]
    )
    kept: list[ConditionDraft] = []
    for place, condition in enumerate(draft.conditions):
        sound = _validate_condition(condition, place, required)
        if any(_same(sound, earlier) for earlier in kept):
            raise DomainError("rules.condition_twice", f"what-{place}", condition=_called(sound))
        if sound.required_id == quest.id:
            raise DomainError("rules.depends_on_itself", f"what-{place}")
        kept.append(sound)
    checked = RuleDraft(tuple(kept), draft.any_of)
    _ensure_earnable(quest, checked)
    return checked


def with_conditions() -> Any:
    """Select rules with their quests, badges and conditions: two queries."""
    conditions = selectinload(Rule.conditions).joinedload(Condition.required)
    return select(Rule).options(
        joinedload(Rule.quest).joinedload(Quest.badge), conditions.joinedload(Quest.badge)
    )


def _validate_condition(
    draft: ConditionDraft, place: int, required: dict[int, Quest]
) -> ConditionDraft:
    """Return a condition with normalized parts. Raises DomainError at a missing or invalid part."""
    if draft.kind == ConditionKind.QUEST:
        quest = required.get(draft.required_id or 0)
        if quest is None:
            raise DomainError("rules.badge_unknown", f"what-{place}")
        if not quest.open and not quest.holders:
            raise DomainError("rules.badge_unreachable", f"what-{place}", quest=quest.title)
        return ConditionDraft(ConditionKind.QUEST, None, None, quest.id, quest)
    most = MOST_DAYS if draft.kind == ConditionKind.DAYS else LARGEST
    if draft.amount is None or not 1 <= draft.amount <= most:
        raise DomainError("rules.amount_invalid", f"amount-{place}", limit=most)
    if draft.kind == ConditionKind.DAYS:
        return ConditionDraft(ConditionKind.DAYS, draft.amount)
    activity = (draft.activity or "").strip().lower().replace(" ", "_")
    if not ACTIVITY.fullmatch(activity):
        raise DomainError("rules.activity_invalid", f"name-{place}")
    return ConditionDraft(ConditionKind.ACTIVITY, draft.amount, activity)


def _same(first: ConditionDraft, second: ConditionDraft) -> bool:
    return (first.kind, first.activity, first.required_id) == (
        second.kind,
        second.activity,
        second.required_id,
    )


def _called(condition: ConditionDraft) -> str | Message:
    if condition.kind == ConditionKind.DAYS:
        return Message("rules.days_as_member")
    return condition.required.title if condition.required else str(condition.activity)


def _ensure_earnable(quest: Quest, draft: RuleDraft) -> None:
    """Reject a rule whose required quest in turn requires this one: neither could ever be earned."""
    needs: dict[int, tuple[bool, list[int | None]]] = {
        rule.quest_id: (rule.any_of, [condition.required_id for condition in rule.conditions])
        for rule in db.session.scalars(with_conditions())
    }
    needs[quest.id] = (draft.any_of, [condition.required_id for condition in draft.conditions])
    earnable: set[int] = set()
    while fresh := {
        condition
        for condition, (any_of, required) in needs.items()
        if condition not in earnable
        and (any if any_of else all)(
            need is None or need not in needs or need in earnable for need in required
        )
    }:
        earnable |= fresh
    if quest.id not in earnable:
        blocking = next(
            condition for condition in draft.conditions if condition.required_id in needs
        )
        place = draft.conditions.index(blocking)
        raise DomainError("rules.circular", f"what-{place}", quest=_called(blocking))


def _quests(ids: list[int]) -> dict[int, Quest]:
    query = (
        select(Quest)
        .options(joinedload(Quest.badge))
        .where(in_array(Quest.id, [id_ for id_ in ids if id_ <= LARGEST_ID]))
    )
    return {quest.id: quest for quest in db.session.scalars(query)}
