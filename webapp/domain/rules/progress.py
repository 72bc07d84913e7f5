"""A member's progress toward quests that rules award."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import contains_eager, selectinload

from webapp.database import db
from webapp.domain.rules import candidates, wording
from webapp.models import ActivityCount, Badge, Member, Quest, Rule
from webapp.models.rule import Condition, ConditionKind

NEXT = 4  # quests shown on a profile


@dataclass(frozen=True)
class Part:
    words: str
    done: int
    required: int

    @property
    def share(self) -> float:
        """Return 0 to 1."""
        return max(0.0, min(1.0, self.done / self.required))


@dataclass(frozen=True)
class Step:
    """A quest that a member is earning by its rule."""

    quest: Quest
    any_of: bool
    parts: list[Part]

    @property
    def share(self) -> float:
        """Return 0 to 1: the closest of alternatives, otherwise the average of all."""
        shares = [part.share for part in self.parts]
        return max(shares) if self.any_of else sum(shares) / len(shares)

    @property
    def percent(self) -> int:
        """Return at most 99: at 100 the quest is awarded."""
        return min(99, int(100 * self.share))


def ahead(member: Member, held: Collection[int], at: datetime) -> list[Step]:
    """Return the closest quests that a member lacks, one per badge, without those not started; three queries.

    `held` are the IDs of the quests they hold. Without rules, one query.
    """
    rules = db.session.scalars(_SELECT_IN_FORCE).unique().all()
    if not rules:
        return []
    sums = dict(db.session.execute(_SELECT_SUMS, {"member_id": member.id}).all())
    steps: dict[int, Step] = {}
    for rule in rules:
        if rule.quest_id in held or rule.quest.badge_id in steps:
            continue
        parts = [_part(condition, member, sums, held, at) for condition in rule.conditions]
        steps[rule.quest.badge_id] = Step(rule.quest, rule.any_of, parts)
    begun = [step for step in steps.values() if step.share > 0]
    return sorted(begun, key=lambda step: (-step.share, step.quest.id))[:NEXT]


def _part(
    condition: Condition, member: Member, sums: dict[str, int], held: Collection[int], at: datetime
) -> Part:
    if condition.kind == ConditionKind.QUEST:
        return Part(wording.describe(condition), int(condition.required_id in held), 1)
    if condition.kind == ConditionKind.DAYS:
        return Part(
            wording.describe(condition), max(0, (at - member.joined_at).days), condition.amount
        )
    return Part(
        wording.describe(condition), sums.get(condition.activity or "", 0), condition.amount
    )


_SELECT_SUMS = select(ActivityCount.activity, ActivityCount.amount).where(
    ActivityCount.member_id == bindparam("member_id")
)
_SELECT_IN_FORCE = (
    select(Rule)
    .join(Rule.quest)
    .join(Quest.badge)
    .options(
        contains_eager(Rule.quest).contains_eager(Quest.badge),
        selectinload(Rule.conditions).joinedload(Condition.required).joinedload(Quest.badge),
    )
    .where(Rule.id.in_(candidates.in_force()))
    .order_by(Badge.name_key, Badge.id, Quest.position, Quest.id)
)
