"""The list of batches: filtered, sorted, paginated. Reads batch rows only, no entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Subquery, and_, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain import dates
from webapp.domain.keyset_pagination import After, KeysetPage, newest_first
from webapp.domain.normalization import fold
from webapp.domain.pagination import PAGE_SIZE, Page
from webapp.models import Badge, Batch, BatchStatus, Quest


class Compare(StrEnum):
    """How a time compares with a day."""

    AFTER = "after"
    BEFORE = "before"
    ON = "on"


@dataclass(frozen=True, order=True)
class DayFilter:
    """A condition on `created` or `updated`, by day in a time zone."""

    field: str
    compare: Compare
    day: date


@dataclass(frozen=True)
class BatchFilters:
    """Statuses are alternatives, and so are badges and quests; all other filters must match.

    A badge matches all its quests. `zone` defines the days.
    """

    statuses: tuple[BatchStatus, ...] = ()
    name: str = ""
    badges: tuple[int, ...] = ()
    quests: tuple[int, ...] = ()
    days: tuple[DayFilter, ...] = ()
    zone: tzinfo = UTC


@dataclass(frozen=True)
class BatchSort:
    """Sort column and direction."""

    column: str = "created"
    descending: bool = True


NEWEST = BatchSort()


@dataclass(frozen=True)
class BatchListing:
    page: Page[Batch]
    batches: int
    drafts: int


class QuestChoice(NamedTuple):
    id: int
    name: str
    open: bool  # it can be awarded


@dataclass(frozen=True)
class BadgeChoice:
    id: int
    name: str
    quests: list[QuestChoice] = field(default_factory=list)


# Includes drafts without a badge on both databases; a join is faster here than a computed rank per quest.
_BADGE_AND_QUEST = (
    func.coalesce(Badge.name_key, ""),
    func.coalesce(Badge.id, 0),
    func.coalesce(Quest.position, 0),
    func.coalesce(Quest.id, 0),
)
SORTS: dict[str, tuple[ColumnElement[Any], ...]] = {
    "title": (Batch.name_key.expression,),
    "badge": _BADGE_AND_QUEST,
    "users": (Batch.entry_count.expression,),
    "created": (Batch.created_at.expression,),
    "updated": (Batch.updated_at.expression,),
    # The stored values sort like the labels.
    "status": (Batch.status.expression,),
}
_FIELDS = {"created": Batch.created_at, "updated": Batch.updated_at}


def listing(
    filters: BatchFilters, sort: BatchSort = NEWEST, number: int = 1, *, drafts: bool = False
) -> BatchListing:
    """Return a page of batches, newest first unless sorted; two queries. `drafts` lists only drafts.

    A number out of range gives the nearest page. The status filter is ignored for drafts.
    """
    conditions = _conditions(filters)
    published = and_(Batch.status != BatchStatus.DRAFT, _one_of(filters.statuses))
    draft = Batch.status == BatchStatus.DRAFT
    both = select(func.count().filter(published), func.count().filter(draft)).select_from(Batch)
    shown, of_drafts = db.session.execute(both.where(*conditions)).one()
    total = of_drafts if drafts else shown
    number = min(max(number, 1), max(1, -(-total // PAGE_SIZE)))
    ids = select(Batch.id).where(draft if drafts else published, *conditions)
    if sort.column == "badge":
        ids = ids.outerjoin(Batch.quest).outerjoin(Quest.badge)
    ids = ids.order_by(*_order(sort)).offset((number - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    return BatchListing(Page(_rows(ids.subquery(), sort), number, total), shown, of_drafts)


def after(
    place: After | None = None, limit: int = 50, status: BatchStatus | None = None
) -> KeysetPage[Batch]:
    """Return up to `limit` batches and drafts with quest and badge, newest first, after a key; one query."""
    query = select(Batch).options(joinedload(Batch.quest).joinedload(Quest.badge))
    if status is not None:
        query = query.where(Batch.status == status)
    return newest_first(query, Batch.created_at, Batch.id, place, limit)


def newest(filters: BatchFilters, limit: int) -> list[Batch]:
    """Return the newest batches and drafts that match, with quest and badge; one query."""
    query = select(Batch.id).where(*_conditions(filters), _one_of(filters.statuses))
    return _rows(query.order_by(*_order(NEWEST)).limit(limit).subquery(), NEWEST)


def by_id(batch_ids: list[int]) -> dict[int, Batch]:
    """Return batches by ID, with quest and badge; one query."""
    query = select(Batch).options(joinedload(Batch.quest).joinedload(Quest.badge))
    rows = db.session.scalars(query.where(in_array(Batch.id, batch_ids)))
    return {batch.id: batch for batch in rows}


def _rows(window: Subquery, sort: BatchSort) -> list[Batch]:
    """Load the page's batches with quest and badge; sorting used narrow rows only."""
    return list(
        db.session.scalars(
            select(Batch)
            .join(window, window.c.id == Batch.id)
            .outerjoin(Batch.quest)
            .outerjoin(Quest.badge)
            .options(contains_eager(Batch.quest).contains_eager(Quest.badge))
            .order_by(*_order(sort))
        )
    )


def _order(sort: BatchSort) -> list[ColumnElement[Any]]:
    keys = (*SORTS[sort.column], Batch.id.expression)
    return [key.desc() if sort.descending else key.asc() for key in keys]


def _one_of(statuses: tuple[BatchStatus, ...]) -> ColumnElement[bool]:
    return Batch.status.in_(statuses) if statuses else Batch.status.is_not(None)


def _conditions(filters: BatchFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if key := fold(filters.name):
        conditions.append(Batch.name_key.contains(key, autoescape=True))
    if filters.badges or filters.quests:
        of_badges = select(Quest.id).where(in_array(Quest.badge_id, list(filters.badges)))
        by_quest = in_array(Batch.quest_id, list(filters.quests))
        conditions.append(or_(Batch.quest_id.in_(of_badges), by_quest))
    return conditions + [_of_day(day_filter, filters.zone) for day_filter in filters.days]


def _of_day(day_filter: DayFilter, zone: tzinfo) -> ColumnElement[bool]:
    moment = _FIELDS[day_filter.field]
    begin, end = dates.start_of_day(day_filter.day, zone), dates.end_of_day(day_filter.day, zone)
    if day_filter.compare == Compare.AFTER:
        return moment >= end
    if day_filter.compare == Compare.BEFORE:
        return moment < begin
    return and_(moment >= begin, moment < end)


def tree() -> list[BadgeChoice]:
    """Return all badges by name with all their quests, including archived ones that old batches have; one query."""
    rows = db.session.execute(
        select(
            Badge.id,
            Badge.name,
            Quest.id,
            Quest.name,
            and_(Quest.archived_at.is_(None), Badge.archived_at.is_(None)),
        )
        .join(Badge.quests)
        .order_by(Badge.name_key, Badge.id, Quest.position, Quest.id)
    )
    return [
        BadgeChoice(badge_id, name, [QuestChoice(*row[2:]) for row in quests])
        for (badge_id, name), quests in groupby(rows, lambda row: (row[0], row[1]))
    ]
