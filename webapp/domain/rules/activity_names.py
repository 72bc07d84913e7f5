"""The activities that were named so far: by events, or by rules that ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from webapp.database import db, upsert
from webapp.database.arrays import in_array
from webapp.domain.pagination import Page, paginate
from webapp.models import Badge, Quest, Rule
from webapp.models.rule import Activity, Condition

MOST = 500  # that are offered for a condition; any other can be typed


def named(most: int = MOST) -> list[str]:
    return list(db.session.scalars(select(Activity.name).order_by(Activity.name).limit(most)))


def name(names: set[str], at: datetime) -> None:
    known = select(Activity.name).where(in_array(Activity.name, sorted(names)))
    new = names - set(db.session.scalars(known))
    if new:
        rows = [{"name": name, "first_at": at} for name in sorted(new)]
        db.session.execute(upsert(Activity).values(rows).on_conflict_do_nothing())


@dataclass(frozen=True)
class Named:
    """An activity, since when its name is known, and the badges (id and name) whose rules ask for it."""

    name: str
    first_at: datetime
    badges: list[tuple[int, str]] = field(default_factory=list)


def usage(number: int = 1) -> Page[Named]:
    """A page of the activities that were named so far, by name, with what asks for them; three queries."""
    page = paginate(select(Activity).order_by(Activity.name), number)
    rows = {row.name: Named(row.name, row.first_at) for row in page.items}
    asking = (
        select(Activity.name, Badge.id, Badge.name)
        .join(Condition, Condition.activity == Activity.name)
        .join(Rule, Rule.id == Condition.rule_id)
        .join(Quest, Quest.id == Rule.quest_id)
        .join(Badge, Badge.id == Quest.badge_id)
        .where(in_array(Activity.name, list(rows)))
        .distinct()
        .order_by(Badge.name, Badge.id)
    )
    for name, badge_id, badge in db.session.execute(asking):
        rows[name].badges.append((badge_id, badge))
    return Page(list(rows.values()), page.number, page.total, page.size)
