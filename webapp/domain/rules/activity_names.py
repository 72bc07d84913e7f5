"""Names of activities, known from events or from rules that require them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from webapp.database import db, upsert
from webapp.database.arrays import in_array
from webapp.domain.pagination import Page, paginate
from webapp.models import Badge, Quest, Rule
from webapp.models.rule import Activity, Condition

MOST = 500  # suggested for a condition; others can be typed


def list_activities(most: int = MOST) -> list[str]:
    return list(db.session.scalars(select(Activity.name).order_by(Activity.name).limit(most)))


def name(names: set[str], at: datetime) -> None:
    known = select(Activity.name).where(in_array(Activity.name, sorted(names)))
    new = names - set(db.session.scalars(known))
    if new:
        rows = [{"name": name, "first_at": at} for name in sorted(new)]
        db.session.execute(upsert(Activity).values(rows).on_conflict_do_nothing())


@dataclass(frozen=True)
class ActivityUsage:
    """An activity, when its name first appeared, and the badges (ID and name) whose rules require it."""

    name: str
    first_at: datetime
    badges: list[tuple[int, str]] = field(default_factory=list)


def usage(number: int = 1) -> Page[ActivityUsage]:
    """Return a page of known activities by name, with the badges that require them; three queries."""
    page = paginate(select(Activity).order_by(Activity.name), number)
    rows = {row.name: ActivityUsage(row.name, row.first_at) for row in page.items}
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
