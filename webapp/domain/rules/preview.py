"""Whom a rule would reach now, counted before it is saved (T-3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, select

from webapp.database import db
from webapp.domain.rules import matching
from webapp.domain.rules.checking import Draft
from webapp.models import Member, MemberStatus, Quest

EXAMPLES = 5


@dataclass(frozen=True)
class Reach:
    """How many members would receive a quest now, with examples, and why others whom the rule fits would not."""

    receive: int
    hold: int
    revoked: int
    inactive: int
    examples: list[Member]


def reach(quest: Quest, draft: Draft, at: datetime) -> Reach:
    """Counts whom a checked rule fits, in one query, and gives the first five who would receive the quest."""
    fits = matching.fits(draft.conditions, draft.any_of, at)
    holds = matching.has_award(quest.id)
    revoked = matching.was_revoked(quest.id)
    active = Member.status == MemberStatus.ACTIVE
    group = case(
        (holds, "hold"), (~active, "inactive"), (revoked, "revoked"), else_="receive"
    ).label("group")
    counted = select(group, func.count()).where(fits).group_by(group)
    numbers: dict[str, int] = dict(db.session.execute(counted).all())
    first = select(Member).where(and_(fits, matching.receives(quest.id)))
    examples = db.session.scalars(first.order_by(Member.id).limit(EXAMPLES))
    return Reach(
        numbers.get("receive", 0),
        numbers.get("hold", 0),
        numbers.get("revoked", 0),
        numbers.get("inactive", 0),
        list(examples) if numbers.get("receive") else [],
    )
