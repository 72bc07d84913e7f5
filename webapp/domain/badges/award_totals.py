"""What was awarded in a period: totals, the badges awarded most often, and who awarded most (D-6).

Restored awards aren't counted again; revoked ones stay counted, because they were made.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, literal, select, union_all

from webapp.database import db
from webapp.domain import dates
from webapp.messages import message, text_of
from webapp.models import ApiKey, Award, AwardSource, Badge, Quest, Staff

TOP = 10  # badges and awarders in a list
SYSTEMS = {
    AwardSource.API: "awarders.api",
    AwardSource.RULE: "awarders.rule",
    AwardSource.IMPORT: "awarders.import",
}


@dataclass(frozen=True)
class Totals:
    awards: int
    members: int  # who received at least one


@dataclass(frozen=True)
class Period:
    """Totals of a period and of the one of the same length before it; the most awarded badges, and who awarded."""

    totals: Totals
    previous: Totals
    badges: list[tuple[Badge, int]]
    awarders: list[tuple[str, int]]


def load(last: date, number: int, zone: ZoneInfo | None = None) -> Period:
    """Return the totals for `number` days up to and including `last` in a time zone; three queries."""
    begin = dates.start_of_day(last - timedelta(days=number - 1), zone)
    end = dates.end_of_day(last, zone)
    before = dates.start_of_day(last - timedelta(days=2 * number - 1), zone)
    totals, previous = _totals([(begin, end), (before, begin)])
    badges: Counter[int] = Counter()
    awarders: Counter[str] = Counter()
    for badge_id, source, person, key, amount in _groups(begin, end):
        badges[badge_id] += amount
        awarders[_awarder(source, person, key)] += amount
    return Period(totals, previous, _named(badges.most_common(TOP)), awarders.most_common(TOP))


def _between(begin: datetime, end: datetime) -> ColumnElement[bool]:
    return and_(Award.awarded_at >= begin, Award.awarded_at < end, Award.restores_id.is_(None))


def _totals(periods: list[tuple[datetime, datetime]]) -> list[Totals]:
    # Each period by itself and with its times as values: PostgreSQL then knows how many awards it has to read.
    counts = [
        select(literal(place), func.count(), func.count(Award.member_id.distinct())).where(
            _between(begin, end)
        )
        for place, (begin, end) in enumerate(periods)
    ]
    rows = sorted(db.session.execute(union_all(*counts)).all())
    return [Totals(awards, members) for _, awards, members in rows]


def _groups(
    begin: datetime, end: datetime
) -> list[tuple[int, AwardSource, str | None, str | None, int]]:
    """Awards by badge, source, person and API key."""
    fields = (Award.quest_id, Award.source, Award.awarded_by, Award.awarded_key)
    groups = (
        select(*fields, func.count().label("amount"))
        .where(_between(begin, end))
        .group_by(*fields)
        .subquery()
    )
    rows = db.session.execute(
        select(Quest.badge_id, groups.c.source, Staff.name, ApiKey.name, groups.c.amount)
        .select_from(groups)
        .join(Quest, Quest.id == groups.c.quest_id)
        .outerjoin(Staff, Staff.id == groups.c.awarded_by)
        .outerjoin(ApiKey, ApiKey.id == groups.c.awarded_key)
        .order_by(Quest.badge_id, Staff.name, ApiKey.name)
    )
    return [
        (badge, AwardSource(source), person, key, amount)
        for badge, source, person, key, amount in rows
    ]


def _awarder(source: AwardSource, person: str | None, key: str | None) -> str:
    if person or key:
        return person or str(message("awarders.api_key", name=key))
    return text_of(SYSTEMS.get(source, "awarders.unknown"))


def _named(amounts: list[tuple[int, int]]) -> list[tuple[Badge, int]]:
    badges = {
        badge.id: badge
        for badge in db.session.scalars(
            select(Badge).where(Badge.id.in_([key for key, _ in amounts]))
        )
    }
    return [(badges[key], amount) for key, amount in amounts]
