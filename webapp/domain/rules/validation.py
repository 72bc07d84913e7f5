"""Whether a rule can be kept: whole, meant, and such that somebody can earn by it (T-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import LARGEST_ID, db
from webapp.database.arrays import in_array
from webapp.domain.errors import DomainError
from webapp.models import Quest, Rule
from webapp.models.rule import Condition, ConditionKind

MOST = 10  # conditions of a rule
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
    """The rule as it would be kept; raises DomainError, with the field, for one that is not whole or can never be
    true.
    """
    if not draft.conditions:
        raise DomainError("Add at least one condition.", "what-0")
    if len(draft.conditions) > MOST:
        raise DomainError(f"A rule has at most {MOST} conditions.", f"what-{MOST}")
    required = _quests([one.required_id for one in draft.conditions if one.required_id])
    kept: list[ConditionDraft] = []
    for place, one in enumerate(draft.conditions):
        sound = _sound(one, place, required)
        if any(_same(sound, other) for other in kept):
            raise DomainError(f"“{_called(sound)}” is asked for twice; keep one.", f"what-{place}")
        if sound.required_id == quest.id:
            raise DomainError("A quest can't ask for itself.", f"what-{place}")
        kept.append(sound)
    checked = RuleDraft(tuple(kept), draft.any_of)
    _want_earnable(quest, checked)
    return checked


def with_conditions() -> Any:
    """Rules with their quests and badges, and what they ask for: two queries."""
    conditions = selectinload(Rule.conditions).joinedload(Condition.required)
    return select(Rule).options(
        joinedload(Rule.quest).joinedload(Quest.badge), conditions.joinedload(Quest.badge)
    )


def _sound(asked: ConditionDraft, place: int, required: dict[int, Quest]) -> ConditionDraft:
    """A condition with its parts in order; DomainError beside the part that is missing or can't be meant."""
    if asked.kind == ConditionKind.QUEST:
        quest = required.get(asked.required_id or 0)
        if quest is None:
            raise DomainError("Choose a badge that there is.", f"what-{place}")
        if not quest.open and not quest.holders:
            raise DomainError(
                f"{quest.title} is archived, and nobody holds it: nobody ever will.",
                f"what-{place}",
            )
        return ConditionDraft(ConditionKind.QUEST, None, None, quest.id, quest)
    most = MOST_DAYS if asked.kind == ConditionKind.DAYS else LARGEST
    if asked.amount is None or not 1 <= asked.amount <= most:
        raise DomainError(f"Give a whole number from 1 to {most:,}.", f"amount-{place}")
    if asked.kind == ConditionKind.DAYS:
        return ConditionDraft(ConditionKind.DAYS, asked.amount)
    activity = (asked.activity or "").strip().lower().replace(" ", "_")
    if not ACTIVITY.fullmatch(activity):
        raise DomainError(
            "Name an activity with letters a to z, digits and _ . : -, up to 60 characters.",
            f"name-{place}",
        )
    return ConditionDraft(ConditionKind.ACTIVITY, asked.amount, activity)


def _same(one: ConditionDraft, other: ConditionDraft) -> bool:
    return (one.kind, one.activity, one.required_id) == (
        other.kind,
        other.activity,
        other.required_id,
    )


def _called(asked: ConditionDraft) -> str:
    if asked.kind == ConditionKind.DAYS:
        return "days since joining"
    return asked.required.title if asked.required else str(asked.activity)


def _want_earnable(quest: Quest, draft: RuleDraft) -> None:
    """Refuses a rule that waits for a quest which in turn waits for this one: neither could ever be earned."""
    needs: dict[int, tuple[bool, list[int | None]]] = {
        rule.quest_id: (rule.any_of, [one.required_id for one in rule.conditions])
        for rule in db.session.scalars(with_conditions())
    }
    needs[quest.id] = (draft.any_of, [one.required_id for one in draft.conditions])
    earnable: set[int] = set()
    while fresh := {
        one
        for one, (any_of, required) in needs.items()
        if one not in earnable
        and (any if any_of else all)(
            need is None or need not in needs or need in earnable for need in required
        )
    }:
        earnable |= fresh
    if quest.id not in earnable:
        blocking = next(one for one in draft.conditions if one.required_id in needs)
        place = draft.conditions.index(blocking)
        raise DomainError(
            f"{_called(blocking)} can only be earned by who holds this quest already: "
            "neither could ever be earned.",
            f"what-{place}",
        )


def _quests(ids: list[int]) -> dict[int, Quest]:
    found = (
        select(Quest)
        .options(joinedload(Quest.badge))
        .where(in_array(Quest.id, [one for one in ids if one <= LARGEST_ID]))
    )
    return {quest.id: quest for quest in db.session.scalars(found)}
