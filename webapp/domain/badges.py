"""Badges: what there is to hold, and who holds it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import LARGEST_ID, among, db
from webapp.domain.refusals import NotFound
from webapp.models import Award, Badge, Quest

LATEST = 10


@dataclass(frozen=True)
class Overview:
    """A badge with the number of members who hold it, and when it was last awarded (None: never)."""

    badge: Badge
    holders: int
    last_award: datetime | None


@dataclass(frozen=True)
class Detail:
    """A badge, its holders in all and by quest id, and its latest awards that stand."""

    badge: Badge
    holders: int
    holders_of: Counter[int]
    latest: list[Award] = field(default_factory=list)


def overview() -> list[Overview]:
    """All badges by name, archived ones last; four queries, whatever their number."""
    badges = db.session.scalars(select(Badge).options(selectinload(Badge.quests))).all()
    ordered = sorted(
        badges, key=lambda badge: (badge.archived_at is not None, badge.name.casefold(), badge.id)
    )
    holders, last = _holders(), _last_awards()
    return [Overview(badge, holders[badge.id], last.get(badge.id)) for badge in ordered]


def detail(badge_id: int) -> Detail:
    """One badge; five queries. Raises NotFound."""
    badge = db.session.get(Badge, min(badge_id, LARGEST_ID), options=[selectinload(Badge.quests)])
    if badge is None:
        raise NotFound("There is no such badge.")
    quest_ids = [quest.id for quest in badge.quests]
    return Detail(badge, _holders(badge_id)[badge_id], _holders_of(quest_ids), _latest(quest_ids))


def _holders(badge_id: int | None = None) -> Counter[int]:
    """Members who hold a badge, each counted once however many of its quests they hold."""
    counted = (
        select(Quest.badge_id, func.count(Award.member_id.distinct()))
        .join(Award, Award.quest_id == Quest.id)
        .where(Award.revoked_at.is_(None))
        .group_by(Quest.badge_id)
    )
    if badge_id is not None:
        counted = counted.where(Quest.badge_id == badge_id)
    return Counter(dict(db.session.execute(counted).all()))


def _holders_of(quest_ids: list[int]) -> Counter[int]:
    counted = (
        select(Award.quest_id, func.count())
        .where(among(Award.quest_id, quest_ids), Award.revoked_at.is_(None))
        .group_by(Award.quest_id)
    )
    return Counter(dict(db.session.execute(counted).all()))


def _last_awards() -> dict[int, datetime]:
    """When each badge was last awarded: a look at the end of each quest's awards, not at all of them."""
    latest = (
        select(Award.awarded_at)
        .where(Award.quest_id == Quest.id, Award.revoked_at.is_(None))
        .order_by(Award.awarded_at.desc())
        .limit(1)
        .correlate(Quest)
        .scalar_subquery()
    )
    found: dict[int, datetime] = {}
    for badge_id, at in db.session.execute(select(Quest.badge_id, latest)):
        if at is not None:
            found[badge_id] = max(at, found.get(badge_id, at))
    return found


def _latest(quest_ids: list[int]) -> list[Award]:
    """The latest awards of some quests, newest first: the end of each quest's, then the last of those."""
    if not quest_ids:
        return []
    ends = union_all(
        *(
            select(
                select(Award.id)
                .where(Award.quest_id == quest_id, Award.revoked_at.is_(None))
                .order_by(Award.awarded_at.desc())
                .limit(LATEST)
                .subquery()
            )
            for quest_id in quest_ids
        )
    ).subquery()
    return list(
        db.session.scalars(
            select(Award)
            .where(Award.id.in_(select(ends.c.id)))
            .options(joinedload(Award.member), joinedload(Award.quest))
            .order_by(Award.awarded_at.desc(), Award.id.desc())
            .limit(LATEST)
        )
    )
