"""Count the members whom a rule would award, before it is saved (T-3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, select

from webapp.database import db
from webapp.domain.rules import criteria, editing
from webapp.domain.rules.validation import RuleDraft
from webapp.models import Member, MemberStatus, Quest, Rule

EXAMPLES = 5


@dataclass(frozen=True)
class Reach:
    """The number of members who would receive a quest, examples, and why other qualifying members wouldn't."""

    receive: int
    hold: int
    revoked: int
    inactive: int
    examples: list[Member]


@dataclass(frozen=True)
class Coming:
    rule: Rule
    reach: Reach


def coming(badge_id: int, at: datetime, quest_id: int | None = None) -> list[Coming]:
    """Return the rules that would be active if the badge were Automatic and not archived, in the order of its quests.

    With `quest_id`, only that quest's rule, as if the quest were not archived. Two queries per rule.
    """
    rules = [
        rule
        for rule in editing.of_badge(badge_id).values()
        if rule.quest_id == quest_id or (quest_id is None and rule.quest.archived_at is None)
    ]
    rules.sort(key=lambda rule: (rule.quest.position, rule.quest_id))
    return [Coming(rule, reach(rule.quest, rule, at)) for rule in rules]


def reach(quest: Quest, draft: RuleDraft | Rule, at: datetime) -> Reach:
    """Count the members who qualify under a valid rule, with the first five who would receive the quest; one query."""
    fits = criteria.fits(draft.conditions, draft.any_of, at)
    holds = criteria.has_award(quest.id)
    revoked = criteria.was_revoked(quest.id)
    active = Member.status == MemberStatus.ACTIVE
    group = case(
        (holds, "hold"), (~active, "inactive"), (revoked, "revoked"), else_="receive"
    ).label("group")
    counted = select(group, func.count()).where(fits).group_by(group)
    numbers: dict[str, int] = dict(db.session.execute(counted).all())
    first = select(Member).where(and_(fits, criteria.receives(quest.id)))
    examples = db.session.scalars(first.order_by(Member.id).limit(EXAMPLES))
    return Reach(
        numbers.get("receive", 0),
        numbers.get("hold", 0),
        numbers.get("revoked", 0),
        numbers.get("inactive", 0),
        list(examples) if numbers.get("receive") else [],
    )
