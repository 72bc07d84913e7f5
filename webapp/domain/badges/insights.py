"""Statistics: awards per day by source, holders of each quest, and the rarity of badges (D-6).

Nothing is precomputed except the numbers of holders: awards are counted by an index on source and time, in the viewer's
days. So the figures are current, and the cost depends on the period's awards rather than on all awards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.orm import contains_eager

from webapp.database import db, dialect_name
from webapp.database.arrays import range_rows, ranges
from webapp.domain import dates
from webapp.models import Award, AwardSource, Badge, Member, MemberStatus, Quest

PERIODS = (7, 30, 90, 365)  # days

SCALE = (
    ("Common", 0.1),
    ("Uncommon", 0.01),
    ("Rare", 0.001),
    ("Very rare", 0.0),
)
"""Rarity labels and the least share of members that holds the badge; a badge without holders has none."""
UNHELD = "No holders"


@dataclass(frozen=True)
class Day:
    day: date
    by_source: dict[AwardSource, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.by_source.values())


@dataclass(frozen=True)
class HolderShare:
    badge: Badge
    quest: Quest | None
    holders: int
    part: float

    @property
    def rarity(self) -> str:
        if not self.holders:
            return UNHELD
        return next(word for word, least in SCALE if self.part >= least)


@dataclass(frozen=True)
class Insights:
    """The page's figures: quests by holders; badges from rarest to most common, those without holders last."""

    days: list[Day]
    members: int
    quests: list[HolderShare]
    badges: list[HolderShare]

    @property
    def by_rarity(self) -> dict[str, int]:
        words = [*(word for word, _ in SCALE), UNHELD]
        return {word: sum(badge.rarity == word for badge in self.badges) for word in words}


def load(last: date, number: int, zone: ZoneInfo | None = None) -> Insights:
    """Return the figures for `number` days up to and including `last` in a time zone; three queries."""
    members = _members()
    quests = [
        HolderShare(quest.badge, quest, quest.holders, _part(quest.holders, members))
        for quest in db.session.scalars(
            select(Quest)
            .join(Quest.badge)
            .options(contains_eager(Quest.badge))
            .order_by(Quest.holders.desc(), Badge.name_key, Quest.id)
        )
    ]
    badges = {held.badge.id: held.badge for held in quests}
    rare = sorted(
        badges.values(), key=lambda badge: (badge.holders == 0, badge.holders, badge.name_key)
    )
    return Insights(
        awards_per_day(last, number, zone),
        members,
        quests,
        [HolderShare(badge, None, badge.holders, _part(badge.holders, members)) for badge in rare],
    )


def _part(holders: int, members: int) -> float:
    return min(1.0, holders / members) if members else 0.0


def _members() -> int:
    members = select(func.count()).select_from(Member).scalar_subquery()
    erased = (
        select(func.count())
        .where(Member.status == MemberStatus.ERASED, Member.status != literal_column("'active'"))
        .scalar_subquery()
    )
    return db.session.scalar(select(members - erased)) or 0


def awards_per_day(last: date, number: int, zone: ZoneInfo | None = None) -> list[Day]:
    """Return the awards of `number` days up to and including `last` in a time zone; one query."""
    days_ = [last - timedelta(days=back) for back in range(number - 1, -1, -1)]
    bounds = [(dates.start_of_day(day, zone), dates.end_of_day(day, zone)) for day in days_]
    rows = db.session.execute(_select_per_day(dialect_name()), {"bounds": range_rows(bounds)})
    return [
        Day(
            day, {source: count for source, count in zip(AwardSource, counts, strict=True) if count}
        )
        for day, counts in zip(days_, rows, strict=True)
    ]


@cache
def _select_per_day(_dialect: str) -> Select[Any]:
    bounds = ranges("bounds")
    # With `restores_id IS NULL` as a condition, PostgreSQL expects the index on source and time to be expensive.
    counted = [
        select(func.count() - func.count(Award.restores_id))
        .where(
            Award.source == source,
            Award.awarded_at >= bounds.c.begin,
            Award.awarded_at < bounds.c.end,
        )
        .correlate(bounds)
        .scalar_subquery()
        for source in AwardSource
    ]
    return select(*counted).select_from(bounds).order_by(bounds.c.place)
