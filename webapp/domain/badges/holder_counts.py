"""Compare the numbers of holders, which triggers maintain, with the awards, and repair them."""

from __future__ import annotations

import logging

from sqlalchemy import Subquery, func, or_, select

from webapp.database import db
from webapp.domain.badges import catalogue
from webapp.models import Award, Badge, Quest

log = logging.getLogger(__name__)


def differing() -> list[int]:
    """Return badges whose stored numbers don't match their awards. Should be empty; counts every award."""
    by_quest, by_badge = _count_holders()
    query = (
        select(Badge.id)
        .distinct()
        .outerjoin(Quest, Quest.badge_id == Badge.id)
        .outerjoin(by_quest, by_quest.c.quest_id == Quest.id)
        .outerjoin(by_badge, by_badge.c.badge_id == Badge.id)
        .where(
            or_(
                Badge.holders != func.coalesce(by_badge.c.holders, 0),
                Quest.holders != func.coalesce(by_quest.c.holders, 0),
            )
        )
    )
    return list(db.session.scalars(query.order_by(Badge.id)))


def recount(badge_id: int) -> None:
    """Set a badge's numbers from its awards and log a warning, because it should never be necessary."""
    badge = catalogue.lock(badge_id)
    by_quest, by_badge = _count_holders()
    counted = dict(db.session.execute(select(by_quest.c.quest_id, by_quest.c.holders)).all())
    for quest in badge.quests:
        quest.holders = counted.get(quest.id, 0)
    query = select(by_badge.c.holders).where(by_badge.c.badge_id == badge_id)
    badge.holders = db.session.scalar(query) or 0
    log.error("badge %s: its holders differed from its awards and were corrected", badge_id)


def _count_holders() -> tuple[Subquery, Subquery]:
    standing = (
        select(Quest.badge_id, Award.quest_id, Award.member_id)
        .join(Award, Award.quest_id == Quest.id)
        .where(Award.revoked_at.is_(None))
        .subquery()
    )
    by_quest = (
        select(standing.c.quest_id, func.count().label("holders"))
        .group_by(standing.c.quest_id)
        .subquery()
    )
    by_badge = (
        select(standing.c.badge_id, func.count(standing.c.member_id.distinct()).label("holders"))
        .group_by(standing.c.badge_id)
        .subquery()
    )
    return by_quest, by_badge
