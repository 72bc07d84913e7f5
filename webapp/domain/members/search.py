"""Search the directory in a given order from a given position, equally fast for ten members and a million.

If few members match one of the filters, they are collected and sorted. Otherwise the order's index is scanned, because
most of its rows match; a scan that finds too few falls back to collecting.

Statements are built once for each combination of filters: building them would take longer than executing them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Executable,
    Select,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.members import text_search
from webapp.domain.members.filters import (
    EVERYBODY,
    MemberFilters,
    Shape,
    conditions,
    index_paths,
    parameters,
    shape_of,
)
from webapp.domain.members.sorting import (
    BY_MATCH,
    FIRST_KEY,
    Cursor,
    MemberSort,
    after_cursor,
    by_match,
    columns_of,
    mark_values,
    ordered,
    through_cursor,
)
from webapp.models import Member

COLLECT_LIMIT = 20_000  # members collected for a page; also the limit for counting
SCAN_LIMIT = 20_000  # index rows scanned before falling back to collecting
BEST_SCAN_LIMIT = 1_000  # the same, of the names that contain a word, for the first few members
COUNTED_FIRST = (
    2_000  # matches of each filter: usually one has fewer, and the others needn't be counted on
)
MANY = 200_000  # largest number of matches worth collecting for all members, or if a scan finds too few

statement = lru_cache(maxsize=256)


class _Narrowest(NamedTuple):
    size: int
    path: int  # its place among the index paths


class _Place(NamedTuple):
    """Where a statement reads: after a mark or not, forwards or back, with or without members to leave out."""

    marked: bool
    back: bool
    but: bool


class Search:
    """Members that match the filters, in order. Estimates the narrowest filter once, in one or two queries."""

    def __init__(self, filters: MemberFilters, sort: MemberSort = BY_MATCH) -> None:
        self.filters, self.sort = filters, sort
        self.shape, self.values = shape_of(filters), parameters(filters)
        self.collected: int | None = None  # number of matches, once known

    @cached_property
    def narrowest(self) -> _Narrowest | None:
        if not index_paths(self.shape):
            return None
        found = self._measure(COUNTED_FIRST)
        return found if found.size <= COUNTED_FIRST else self._measure(COLLECT_LIMIT)

    def _measure(self, limit: int) -> _Narrowest:
        """Return the narrowest filter, counting up to one more than `limit`."""
        values = {**self.values, "counted": limit + 1}
        sizes = db.session.execute(_select_sizes(self.shape), values).one()
        return min(_Narrowest(int(size or 0), path) for path, size in enumerate(sizes))

    @property
    def few(self) -> bool:
        """True if the narrowest filter matches few enough members to check all of them."""
        return self.narrowest is not None and self.narrowest.size <= COLLECT_LIMIT

    def page(
        self, mark: Cursor | None, limit: int, but: list[int], *, back: bool = False
    ) -> list[int]:
        """Return the next IDs after `mark`, or before it with `back`, nearest first, without those in `but`."""
        if self.few:
            return self._collect(mark, limit, but, back)
        if by_match(self.sort, self.shape):
            return self._scan_ranges(mark, limit, but, back)
        if self.filters == EVERYBODY:
            return self._scan(mark, limit, but, back, None)
        end = self._end(mark, back)
        ids = self._scan(mark, limit, but, back, end)
        if len(ids) == limit or end is None:
            return ids
        return self._collect(mark, limit, but, back)

    def _collect(self, mark: Cursor | None, limit: int, but: list[int], back: bool) -> list[int]:
        """Apply the narrowest filter, if it leaves few enough, then the others, then sort."""
        path = self._path
        place = _Place(mark is not None, back, bool(but))
        result = db.session.execute(
            _select_collected(self.shape, self.sort, path, place), self._arguments(mark, limit, but)
        ).all()
        if result:
            self.collected = result[0][1]
        elif mark is None and not but:
            self.collected = 0
        return [row[0] for row in result]

    def _scan(
        self, mark: Cursor | None, limit: int, but: list[int], back: bool, end: Cursor | None
    ) -> list[int]:
        """Scan the order's index from the mark to the end."""
        place = _Place(mark is not None, back, bool(but))
        query = _select_scanned(self.shape, self.sort, place, end is not None)
        values = {**self._arguments(mark, limit, but), **mark_values(end, "end")}
        return list(db.session.scalars(query, values))

    def _end(self, mark: Cursor | None, back: bool) -> Cursor | None:
        """Return the position SCAN_LIMIT rows further; None if the directory ends before."""
        query = _select_end(self.shape, self.sort, _Place(mark is not None, back, False))
        values = {**self.values, **mark_values(mark), "scanned": SCAN_LIMIT}
        row = db.session.execute(query, values).one_or_none()
        return tuple(row) if row else None

    def _scan_ranges(
        self, mark: Cursor | None, limit: int, but: list[int], back: bool
    ) -> list[int]:
        """Order by match: scan each alternative's range of its own index, in order, until there are enough."""
        ids: list[int] = []
        ranges = range(text_search.range_count(self.shape.words or 0))
        for number in reversed(ranges) if back else ranges:
            if mark is not None and (number < mark[0] if not back else number > mark[0]):
                continue
            here = mark[1:] if mark and mark[0] == number else None
            place = _Place(here is not None, back, bool(but))
            query = _select_range(self.shape, self.sort, number, place)
            ids += db.session.scalars(query, self._arguments(here, limit - len(ids), but))
            if len(ids) == limit:
                break
        return ids

    def best(self, limit: int) -> tuple[list[int], int]:
        """Return the first IDs by match, for a text alone, and how many of them match exactly.

        Cheap however many members match: reads only the beginning of each range, of the names only if the others
        have too few.
        """
        rows = db.session.execute(_SELECT_BEGINNINGS, {**self.values, "limit": limit}).all()
        exact = [
            row.id
            for place in _EXACT_FIRST
            for row in rows
            if row.place == place and row.key == self.values[text_search.COLUMNS[place][1]]
        ]
        exact = list(dict.fromkeys(exact))
        begun = sorted(rows, key=lambda row: (row.place, row.key))
        ids = list(dict.fromkeys([*exact, *(row.id for row in begun)]))[:limit]
        words = self.shape.words or 0
        if len(ids) == limit or not words:
            return ids, len(exact)
        names = None if words == 1 else BEST_SCAN_LIMIT  # one word's range has only matches
        place = _Place(False, False, False)
        query = _select_range(self.shape, self.sort, len(text_search.COLUMNS), place, names)
        ids += db.session.scalars(query, self._arguments(None, limit - len(ids), []))
        if len(ids) < limit and names is not None:
            ids = [*exact, *self.page(None, limit - len(exact), exact)]
        return ids, len(exact)

    def exact(self) -> list[int]:
        """Return the IDs of members whose ID, username or email is exactly the text, in this order; at most three."""
        return list(db.session.scalars(_select_exact(self.shape), self.values))

    def total(self, shown: int, whole: bool) -> tuple[int, bool]:
        """Return the number of matches, and whether it is a lower bound; bounded work.

        If many members match several filters, counts only those `shown`; `whole` means that these are all.
        """
        if self.collected is not None or whole:
            return (self.collected if self.collected is not None else shown), False
        if self.few:
            return self.count(), False
        if self.narrowest is not None or self.filters != EVERYBODY:
            return shown, True
        number = db.session.scalar(_COUNT_FIRST, {"limit": COLLECT_LIMIT + 1}) or 0
        return min(number, COLLECT_LIMIT), number > COLLECT_LIMIT

    def count(self) -> int:
        counted = select(func.count()).select_from(_select_all(self.shape, self._path).subquery())
        return db.session.scalar(counted, self.values) or 0

    def first(self, number: int) -> list[int]:
        """Return the IDs of the first `number` members in the order they were added."""
        query = _select_all(self.shape, self._path).order_by(Member.id).limit(number)
        return list(db.session.scalars(query, self.values))

    def chunks(self, number: int) -> Iterator[list[int]]:
        """Yield all IDs in chunks, in the order they were added.

        Each ID appears once even if members change; the transaction may end after every chunk.
        """
        if self.few:
            ids = self.first(COLLECT_LIMIT + 1)
            yield from (ids[start : start + number] for start in range(0, len(ids), number))
            return
        last = 0
        while True:
            query = select(Member.id).where(Member.id > last, *conditions(self.shape))
            ids = list(db.session.scalars(query.order_by(Member.id).limit(number), self.values))
            if not ids:
                return
            last = ids[-1]
            yield ids

    @cached_property
    def _path(self) -> int | None:
        """The narrowest filter if reading its matches is cheaper than checking all members."""
        if self.narrowest is None:
            return None
        narrowest = self.narrowest if self.few else self._measure(MANY)
        return narrowest.path if narrowest.size <= MANY else None

    def _arguments(self, mark: Cursor | None, limit: int, but: list[int]) -> dict[str, Any]:
        more: dict[str, Any] = {"limit": limit, "but": but} if but else {"limit": limit}
        return {**self.values, **mark_values(mark), **more}


@statement
def _select_sizes(shape: Shape) -> Executable:
    return select(
        *(path.size.label(f"way{place}") for place, path in enumerate(index_paths(shape)))
    )


@statement
def _select_exact(shape: Shape) -> Select[int]:
    by_username, by_email, by_id = text_search.exactly()
    query = select(Member.id).where(or_(by_id, by_username, by_email))
    rank = case((by_id, 0), (by_username, 1), else_=2)
    return query.where(*conditions(shape)).order_by(rank)


@statement
def _select_collected(
    shape: Shape, sort: MemberSort, path: int | None, place: _Place
) -> Select[int, int]:
    keys = columns_of(sort, shape, met=True)
    rows = select(Member.id, *(key.label(f"k{number}") for number, key in enumerate(keys)))
    matching = _materialized(_within(rows, shape, path).where(*conditions(shape)).cte("wanted"))
    number = select(func.count()).select_from(matching).scalar_subquery()
    columns = tuple(matching.c[f"k{number}"] for number in range(len(keys)))
    query = select(matching.c.id, number)
    return _from(query, matching.c.id, columns, sort, place)


@statement
def _select_scanned(shape: Shape, sort: MemberSort, place: _Place, ended: bool) -> Select[int]:
    columns = columns_of(sort, shape)
    query = select(Member.id).where(*conditions(shape))
    if ended:
        query = query.where(through_cursor(columns, sort, place.back))
    return _from(query, Member.id, columns, sort, place)


@statement
def _select_end(shape: Shape, sort: MemberSort, place: _Place) -> Select[Any]:
    columns = columns_of(sort, shape)
    query = select(*columns).where(after_cursor(columns, sort, place.marked, place.back))
    return query.order_by(*ordered(columns, sort, place.back)).offset(bindparam("scanned")).limit(1)


@statement
def _select_range(
    shape: Shape, sort: MemberSort, number: int, place: _Place, names: int | None = None
) -> Select[int]:
    run = text_search.ranked_range(number, shape.words or 0, names)
    query = run.members.where(*conditions(shape, text=False))
    return _from(query, Member.id, run.columns, sort, place)


def _from(
    query: Select[Any], key: Any, columns: tuple[Any, ...], sort: MemberSort, place: _Place
) -> Select[Any]:
    """Return the first `limit` rows of a query from a place in the order of these columns."""
    query = query.where(after_cursor(columns, sort, place.marked, place.back))
    if place.but:
        query = query.where(not_(in_array(key, "but")))
    return query.order_by(*ordered(columns, sort, place.back)).limit(bindparam("limit"))


@statement
def _select_all(shape: Shape, path: int | None) -> Select[int]:
    return _within(select(Member.id).where(*conditions(shape)), shape, path)


def _within(query: Select[Any], shape: Shape, path: int | None) -> Select[Any]:
    """Read only what a filter's index finds."""
    if path is None:
        return query
    narrowest = _materialized(index_paths(shape)[path].ids.cte("found"))
    return query.join(narrowest, narrowest.c.id == Member.id)


def _materialized(cte: Any) -> Any:
    """Materialize a part of a query."""
    return cte.prefix_with("MATERIALIZED")


_EXACT_FIRST = (2, 0, 1)  # by ID, username, email: places in text_search.COLUMNS
_SELECT_BEGINNINGS = union_all(
    *(
        select(
            select(
                literal(place, literal_execute=True).label("place"), column.label("key"), Member.id
            )
            .where(text_search.begins(column, name), *conditions(shape_of(EVERYBODY)))
            .order_by(column)
            .limit(bindparam("limit"))
            .subquery()
        )
        for place, (column, name) in enumerate(text_search.COLUMNS)
    )
)
_COUNT_FIRST = select(func.count()).select_from(
    select(literal(1))
    .where(Member.username_key >= FIRST_KEY)
    .order_by(Member.username_key)
    .limit(bindparam("limit"))
    .subquery()
)
