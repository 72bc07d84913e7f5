"""The list of batches: filtered, sorted, paginated. Reads batch rows only, no entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from enum import StrEnum
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain import dates
from webapp.domain.keyset_pagination import After, KeysetPage, newest_first
from webapp.domain.normalization import ESCAPE, fold, like_part
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


class _Shape(NamedTuple):
    """Which filters are set: all that a statement depends on. Their values are its parameters."""

    statuses: bool
    name: bool
    badges: bool
    days: tuple[tuple[str, Compare], ...]


def listing(
    filters: BatchFilters, sort: BatchSort = NEWEST, number: int = 1, *, drafts: bool = False
) -> BatchListing:
    """Return a page of batches, newest first unless sorted; two queries. `drafts` lists only drafts.

    A number out of range gives the nearest page. The status filter is ignored for drafts.
    """
    shape, values = _shape(filters), _parameters(filters)
    shown, of_drafts = db.session.execute(_select_numbers(shape), values).one()
    total = of_drafts if drafts else shown
    number = min(max(number, 1), max(1, -(-total // PAGE_SIZE)))
    values |= {"offset": (number - 1) * PAGE_SIZE, "limit": PAGE_SIZE}
    rows = db.session.scalars(_select_page(shape, sort, drafts), values)
    return BatchListing(Page(list(rows), number, total), shown, of_drafts)


_DRAFT = Batch.status == BatchStatus.DRAFT


@lru_cache(maxsize=128)
def _select_numbers(shape: _Shape) -> Select[int, int]:
    numbers = func.count().filter(_published(shape)), func.count().filter(_DRAFT)
    return select(*numbers).select_from(Batch).where(*_conditions(shape))


@lru_cache(maxsize=128)
def _select_page(shape: _Shape, sort: BatchSort, drafts: bool) -> Select[Batch]:
    ids = select(Batch.id).where(_DRAFT if drafts else _published(shape), *_conditions(shape))
    if sort.column == "badge":
        ids = ids.outerjoin(Batch.quest).outerjoin(Quest.badge)
    return _rows(ids.offset(bindparam("offset")), sort)


def _published(shape: _Shape) -> ColumnElement[bool]:
    return and_(Batch.status != BatchStatus.DRAFT, _one_of(shape))


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
    values = {**_parameters(filters), "limit": limit}
    return list(db.session.scalars(_select_newest(_shape(filters)), values))


@lru_cache(maxsize=128)
def _select_newest(shape: _Shape) -> Select[Batch]:
    return _rows(select(Batch.id).where(*_conditions(shape), _one_of(shape)), NEWEST)


def by_id(batch_ids: list[int]) -> dict[int, Batch]:
    """Return batches by ID, with quest and badge; one query."""
    return {batch.id: batch for batch in db.session.scalars(_SELECT_BY_ID, {"ids": batch_ids})}


_SELECT_BY_ID = (
    select(Batch)
    .options(joinedload(Batch.quest).joinedload(Quest.badge))
    .where(in_array(Batch.id, "ids"))
)


def _rows(ids: Select[int], sort: BatchSort) -> Select[Batch]:
    """Load the first `limit` of these batches with quest and badge; sorting uses narrow rows only."""
    window = ids.order_by(*_order(sort)).limit(bindparam("limit")).subquery()
    return (
        select(Batch)
        .join(window, window.c.id == Batch.id)
        .outerjoin(Batch.quest)
        .outerjoin(Quest.badge)
        .options(contains_eager(Batch.quest).contains_eager(Quest.badge))
        .order_by(*_order(sort))
    )


def _order(sort: BatchSort) -> list[ColumnElement[Any]]:
    keys = (*SORTS[sort.column], Batch.id.expression)
    return [key.desc() if sort.descending else key.asc() for key in keys]


def _shape(filters: BatchFilters) -> _Shape:
    return _Shape(
        bool(filters.statuses),
        bool(fold(filters.name)),
        bool(filters.badges or filters.quests),
        tuple((one.field, one.compare) for one in filters.days),
    )


def _parameters(filters: BatchFilters) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if filters.statuses:
        values["statuses"] = list(filters.statuses)
    if key := fold(filters.name):
        values["name"] = like_part(key)
    if filters.badges or filters.quests:
        values |= {"badges": list(filters.badges), "quests": list(filters.quests)}
    for place, one in enumerate(filters.days):
        values[f"begin{place}"] = dates.start_of_day(one.day, filters.zone)
        values[f"end{place}"] = dates.end_of_day(one.day, filters.zone)
    return values


def _one_of(shape: _Shape) -> ColumnElement[bool]:
    if not shape.statuses:
        return Batch.status.is_not(None)
    return Batch.status.in_(bindparam("statuses", expanding=True))


def _conditions(shape: _Shape) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if shape.name:
        conditions.append(Batch.name_key.like(bindparam("name"), escape=ESCAPE))
    if shape.badges:
        of_badges = select(Quest.id).where(in_array(Quest.badge_id, "badges"))
        by_quest = in_array(Batch.quest_id, "quests")
        conditions.append(or_(Batch.quest_id.in_(of_badges), by_quest))
    return conditions + [_of_day(place, *one) for place, one in enumerate(shape.days)]


def _of_day(place: int, name: str, compare: Compare) -> ColumnElement[bool]:
    moment = _FIELDS[name]
    begin: BindParameter[Any] = bindparam(f"begin{place}")
    end: BindParameter[Any] = bindparam(f"end{place}")
    if compare == Compare.AFTER:
        return moment >= end
    if compare == Compare.BEFORE:
        return moment < begin
    return and_(moment >= begin, moment < end)


def tree() -> list[BadgeChoice]:
    """Return all badges by name with all their quests, including archived ones that old batches have; one query."""
    rows = db.session.execute(_SELECT_TREE)
    return [
        BadgeChoice(badge_id, name, [QuestChoice(*row[2:]) for row in quests])
        for (badge_id, name), quests in groupby(rows, lambda row: (row[0], row[1]))
    ]


_SELECT_TREE = (
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
