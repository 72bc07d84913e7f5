"""Search the directory in a given order from a given position, equally fast for ten members and a million.

If few members match one of the filters, they are collected and sorted. Otherwise the order's index is scanned, because
most of its rows match; a scan that finds too few falls back to collecting.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Select, case, func, literal, or_, select

from webapp.database import db
from webapp.domain.members import text_search
from webapp.domain.members.filters import EVERYBODY, MANY, MemberFilters, conditions, index_paths
from webapp.domain.members.sorting import (
    BY_MATCH,
    FIRST_KEY,
    Cursor,
    MemberSort,
    after_cursor,
    by_match,
    columns_of,
    ordered,
    through_cursor,
)
from webapp.models import Member

COLLECT_LIMIT = 20_000  # members collected for a page; also the limit for counting
SCAN_LIMIT = 20_000  # index rows scanned before falling back to collecting
BEST_SCAN_LIMIT = 1_000  # the same, of the names that contain a word, for the first few members


class _Narrowest(NamedTuple):
    size: int
    ids: Select[int] | CompoundSelect[int]


class Search:
    """Members that match the filters, in order. Estimates the narrowest filter once, in one query."""

    def __init__(self, filters: MemberFilters, sort: MemberSort = BY_MATCH) -> None:
        self.filters, self.sort = filters, sort
        self.columns = columns_of(sort, filters)
        self.collected: int | None = None  # number of matches, once known

    @cached_property
    def narrowest(self) -> _Narrowest | None:
        paths = list(index_paths(self.filters))
        if not paths:
            return None
        measured = select(*(way.size.label(f"way{place}") for place, way in enumerate(paths)))
        sizes = db.session.execute(measured).one()
        by_size = [
            _Narrowest(int(size or 0), way.ids) for size, way in zip(sizes, paths, strict=True)
        ]
        return min(by_size, key=lambda way: way.size)

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
        if by_match(self.sort, self.filters):
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
        rows = select(
            Member.id, *(key.label(f"k{place}") for place, key in enumerate(self.columns))
        )
        if self.narrowest is not None and self.narrowest.size <= MANY:
            narrowest = _materialized(self.narrowest.ids.cte("found"))
            rows = rows.join(narrowest, narrowest.c.id == Member.id)
        matching = _materialized(rows.where(*conditions(self.filters)).cte("wanted"))
        number = select(func.count()).select_from(matching).scalar_subquery()
        columns = tuple(matching.c[f"k{place}"] for place in range(len(self.columns)))
        result = db.session.execute(
            select(matching.c.id, number)
            .where(after_cursor(columns, self.sort, mark, back), matching.c.id.not_in(but))
            .order_by(*ordered(columns, self.sort, back))
            .limit(limit)
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
        query = select(Member.id).where(
            after_cursor(self.columns, self.sort, mark, back),
            *conditions(self.filters),
            Member.id.not_in(but),
        )
        if end is not None:
            query = query.where(through_cursor(self.columns, self.sort, end, back))
        query = query.order_by(*ordered(self.columns, self.sort, back))
        return list(db.session.scalars(query.limit(limit)))

    def _end(self, mark: Cursor | None, back: bool) -> Cursor | None:
        """Return the position SCAN_LIMIT rows further; None if the directory ends before."""
        query = select(*self.columns).where(after_cursor(self.columns, self.sort, mark, back))
        query = query.order_by(*ordered(self.columns, self.sort, back)).offset(SCAN_LIMIT).limit(1)
        row = db.session.execute(query).one_or_none()
        return tuple(row) if row else None

    def _scan_ranges(
        self,
        mark: Cursor | None,
        limit: int,
        but: list[int],
        back: bool,
        names: int | None = None,
    ) -> list[int]:
        """Order by match: scan each alternative's range of its own index, in order, until there are enough.

        With `names`, scans at most this many rows of the range of names.
        """
        ids: list[int] = []
        runs = list(text_search.ranked_ranges(self.filters.text, names))
        for run in reversed(runs) if back else runs:
            if mark is not None and (run.place < mark[0] if not back else run.place > mark[0]):
                continue
            here = mark[1:][: len(run.columns)] if mark and mark[0] == run.place else None
            query = run.members.where(
                after_cursor(run.columns, self.sort, here, back),
                *conditions(self.filters, text=False),
                Member.id.not_in(but),
            ).order_by(*ordered(run.columns, self.sort, back))
            ids += db.session.scalars(query.limit(limit - len(ids)))
            if len(ids) == limit:
                break
        return ids

    def best(self, limit: int, but: list[int]) -> list[int]:
        """Return the first IDs by match, for a text alone; cheap however many members match."""
        if text_search.is_one_word(self.filters.text):  # its range holds nothing but matches
            return self._scan_ranges(None, limit, but, back=False)
        ids = self._scan_ranges(None, limit, but, back=False, names=BEST_SCAN_LIMIT)
        return ids if len(ids) == limit else self.page(None, limit, but)

    def exact(self) -> list[int]:
        """Return the IDs of members whose ID, username or email is exactly the text, in this order; at most three."""
        by_username, by_email, by_id = text_search.exactly(self.filters.text)
        rank = case((by_id, 0), (by_username, 1), else_=2)
        query = select(Member.id).where(or_(by_id, by_username, by_email))
        return list(db.session.scalars(query.where(*conditions(self.filters)).order_by(rank)))

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
        key = Member.username_key
        first = (
            select(literal(1))
            .where(key >= FIRST_KEY)
            .order_by(key)
            .limit(COLLECT_LIMIT + 1)
            .subquery()
        )
        number = db.session.scalar(select(func.count()).select_from(first)) or 0
        return min(number, COLLECT_LIMIT), number > COLLECT_LIMIT

    def count(self) -> int:
        return db.session.scalar(select(func.count()).select_from(self._all().subquery())) or 0

    def first(self, number: int) -> list[int]:
        """Return the IDs of the first `number` members in the order they were added."""
        return list(db.session.scalars(self._all().order_by(Member.id).limit(number)))

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
            query = select(Member.id).where(Member.id > last, *conditions(self.filters))
            ids = list(db.session.scalars(query.order_by(Member.id).limit(number)))
            if not ids:
                return
            last = ids[-1]
            yield ids

    def _all(self) -> Select[int]:
        query = select(Member.id).where(*conditions(self.filters))
        if self.few and self.narrowest is not None:
            narrowest = _materialized(self.narrowest.ids.cte("found"))
            query = query.join(narrowest, narrowest.c.id == Member.id)
        return query


def _materialized(cte: Any) -> Any:
    """Materialize a part of a query."""
    return cte.prefix_with("MATERIALIZED")
