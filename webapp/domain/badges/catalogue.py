"""The list of badges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Select, bindparam, literal, select, tuple_
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import Id, db
from webapp.database.arrays import in_array
from webapp.domain.keyset_pagination import After, KeysetPage
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.domain.normalization import ESCAPE, fold, like_part
from webapp.models import Award, Badge, Quest

_ORDER = (Badge.archived_at.is_not(None), Badge.name_key, Badge.id)


@dataclass(frozen=True)
class BadgeSummary:
    """A badge, and when it was last awarded (None if no one holds it)."""

    badge: Badge
    last_award: datetime | None


def overview(text: str = "") -> list[BadgeSummary]:
    """Return badges by name, archived ones last; with `text`, those with it in their name. Three queries."""
    ordered = db.session.scalars(*_matching(text)).all()
    last = _last_awards()
    return [BadgeSummary(badge, last.get(badge.id)) for badge in ordered]


def page(text: str = "", after: After | None = None, limit: int = 50) -> KeysetPage[Badge]:
    """Return up to `limit` such badges with their quests after the key `after`: archived (0 or 1), name's key, ID."""
    query, values = _matching(text)
    if after is not None:
        archived, key, badge_id = after
        place = literal(bool(archived), Boolean), literal(key), literal(badge_id, Id)
        query = query.where(tuple_(*_ORDER) > tuple_(*place))
    rows = list(db.session.scalars(query.limit(limit + 1), values))
    if len(rows) <= limit:
        return KeysetPage(rows, None)
    last = rows[limit - 1]
    return KeysetPage(rows[:limit], (int(last.archived_at is not None), last.name_key, last.id))


def _matching(text: str) -> tuple[Select[Badge], dict[str, str]]:
    """Return the query for the badges with this text in their name, and its parameters."""
    key = fold(text)
    return (_SELECT_MATCHING, {"pattern": like_part(key)}) if key else (_SELECT_ALL, {})


_SELECT_ALL = select(Badge).options(selectinload(Badge.quests)).order_by(*_ORDER)
_SELECT_MATCHING = _SELECT_ALL.where(Badge.name_key.like(bindparam("pattern"), escape=ESCAPE))


def get(badge_id: int, *, fresh: bool = False) -> Badge:
    """Return a badge with its quests. Raises NotFoundError."""
    return require(Badge, badge_id, fresh=fresh, options=[selectinload(Badge.quests)])


def by_id(badge_ids: list[int]) -> dict[int, Badge]:
    """Return badges with their quests; two queries. Unknown IDs are left out."""
    query = select(Badge).where(in_array(Badge.id, badge_ids)).options(selectinload(Badge.quests))
    return {badge.id: badge for badge in db.session.scalars(query)}


def quests_by_id(quest_ids: list[int]) -> dict[int, Quest]:
    """Return quests with their badges; one query. Unknown IDs are left out."""
    query = select(Quest).where(in_array(Quest.id, quest_ids)).options(joinedload(Quest.badge))
    return {quest.id: quest for quest in db.session.scalars(query)}


def lock(badge_id: int) -> Badge:
    """Return a badge, locked until the end of the transaction. Raises NotFoundError."""
    return require(Badge, badge_id, lock=NO_KEY_UPDATE)


def _last_awards() -> dict[int, datetime]:
    """Return when each badge was last awarded, reading only the end of each quest's awards.

    `between` instead of `==`: only the index on both columns has this order. With the order by time alone, PostgreSQL
    searches all newest awards for one of the quest, as if quests were equally popular.
    """
    found: dict[int, datetime] = {}
    for badge_id, at in db.session.execute(_SELECT_LAST_AWARDS):
        if at is not None:
            found[badge_id] = max(at, found.get(badge_id, at))
    return found


_SELECT_LAST_AWARDS = select(
    Quest.badge_id,
    select(Award.awarded_at)
    .where(Award.quest_id.between(Quest.id, Quest.id), Award.revoked_at.is_(None))
    .order_by(Award.quest_id.desc(), Award.awarded_at.desc())
    .limit(1)
    .correlate(Quest)
    .scalar_subquery(),
)
