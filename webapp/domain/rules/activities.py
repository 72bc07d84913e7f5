"""The activities that were named so far: by events, or by rules that ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from webapp.database import db
from webapp.models import Badge, Quest, Rule
from webapp.models.rule import Activity, Condition


def named() -> list[str]:
    """The activities that were named so far, by name."""
    return list(db.session.scalars(select(Activity.name).order_by(Activity.name)))


@dataclass(frozen=True)
class Named:
    """An activity, since when its name is known, and the badges (id and name) whose rules ask for it."""

    name: str
    first_at: datetime
    badges: list[tuple[int, str]] = field(default_factory=list)


def usage() -> list[Named]:
    """The activities that were named so far, by name, with what asks for them; one query."""
    rows = db.session.execute(
        select(Activity.name, Activity.first_at, Badge.id, Badge.name)
        .outerjoin(Condition, Condition.activity == Activity.name)
        .outerjoin(Rule, Rule.id == Condition.rule_id)
        .outerjoin(Quest, Quest.id == Rule.quest_id)
        .outerjoin(Badge, Badge.id == Quest.badge_id)
        .distinct()
        .order_by(Activity.name, Badge.name, Badge.id)
    )
    found: dict[str, Named] = {}
    for name, first_at, badge_id, badge in rows:
        one = found.setdefault(name, Named(name, first_at))
        if badge_id is not None:
            one.badges.append((badge_id, badge))
    return list(found.values())
