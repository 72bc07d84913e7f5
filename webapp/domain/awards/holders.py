"""The holders of a badge: its active awards, filtered and newest first, in pages or as an export (E-4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, literal, select, tuple_, union_all
from sqlalchemy.orm import joinedload

from webapp.database import LARGEST_ID, UtcDateTime, db
from webapp.database.arrays import in_array
from webapp.domain.awards import events
from webapp.domain.awards.events import Event
from webapp.domain.csv_files.columns import FIELDS
from webapp.domain.members.filters import MemberFilters, conditions, parameters, shape_of
from webapp.domain.members.search import COLLECT_LIMIT, Search
from webapp.models import Award, AwardSource, Member, MemberStatus, Quest

SIZE = 50  # holders on a page: as many as can be revoked together
CHUNK = 2_000  # holders of an export in memory
HEADER = (
    *FIELDS.values(),
    *("Name", "Status", "Badge", "Quest", "Awarded at", "Source", "Awarded by", "Batch", "Reason"),
)

Row = tuple[str, ...]
Cursor = tuple[datetime, int]


@dataclass(frozen=True)
class HolderFilters:
    """All filters must match. `quest_ids` are quests of one badge; `since` is inclusive, `until` exclusive."""

    quest_ids: tuple[int, ...]
    source: AwardSource | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""  # as in the directory


@dataclass(frozen=True)
class HolderListing:
    """Awards, each with how it was made. `previous` and `next` are awards to continue before and after, or None.

    With `more`, `total` is a lower bound.
    """

    holders: list[Event]
    total: int
    more: bool
    previous: int | None = None
    next: int | None = None


def page(
    filters: HolderFilters, after: int | None = None, before: int | None = None
) -> HolderListing:
    """Return the first page of awards, or the page next to an award; an unknown one gives the first.

    At most six queries, regardless of size and position.
    """
    search = _Search(filters)
    mark = _cursor(after or before)
    if mark and after:
        ids = search.ids(SIZE + 1, mark)
        if ids:
            return _listing(search, ids[:SIZE], before=True, after=len(ids) > SIZE)
    elif mark:
        ids = search.ids(SIZE + 1, mark, back=True)
        if len(ids) > SIZE:
            return _listing(search, ids[:SIZE][::-1], before=True, after=True)
    ids = search.ids(SIZE + 1)
    return _listing(search, ids[:SIZE], before=False, after=len(ids) > SIZE)


def rows(filters: HolderFilters) -> Iterator[list[Row]]:
    """Yield the holders for a CSV file that a batch's upload accepts unchanged, newest first, in chunks.

    A slow download holds no connection.
    """
    search = _Search(filters)
    ids = search.ids(CHUNK)
    while ids:
        holders = _read(ids)
        mark = holders[-1].at, holders[-1].award.id
        chunk = [_row(event) for event in holders if not event.award.member.erased]
        db.session.expunge_all()
        db.session.rollback()
        yield chunk
        ids = search.ids(CHUNK, mark)


def _listing(search: _Search, ids: list[int], *, before: bool, after: bool) -> HolderListing:
    total, more = search.total(len(ids), whole=not before and not after)
    return HolderListing(
        _read(ids),
        total,
        more,
        ids[0] if before and ids else None,
        ids[-1] if after and ids else None,
    )


class _Search:
    def __init__(self, filters: HolderFilters) -> None:
        self.filters = filters

    @cached_property
    def conditions(self) -> list[ColumnElement[bool]]:
        filters = self.filters
        found: list[ColumnElement[bool]] = [Award.revoked_at.is_(None)]
        if filters.source:
            found.append(Award.source == filters.source)
        return [*found, *self._period(), *self._named()]

    def _period(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.filters.since:
            found.append(Award.awarded_at >= self.filters.since)
        if self.filters.until:
            found.append(Award.awarded_at < self.filters.until)
        return found

    def _named(self) -> list[ColumnElement[bool]]:
        """Collect the members whose names match if there are few; otherwise check each award's member."""
        if not self.filters.text.strip():
            return []
        wanted = MemberFilters(self.filters.text, holds=(self.filters.quest_ids,))
        search = Search(wanted)
        if search.few:
            return [in_array(Award.member_id, search.first(COLLECT_LIMIT))]
        text = MemberFilters(self.filters.text)
        named = select(Member.id).where(*conditions(shape_of(text)))
        return [Award.member_id.in_(named.params(parameters(text)))]

    def ids(self, limit: int, mark: Cursor | None = None, *, back: bool = False) -> list[int]:
        """Return the next awards after `mark`, or before it with `back`, nearest first."""
        place: list[ColumnElement[bool]] = []
        if mark:
            here = tuple_(Award.awarded_at, Award.id)
            there = tuple_(literal(mark[0], UtcDateTime), literal(mark[1]))
            place.append(here > there if back else here < there)
        found = self._ends(limit, *place, back=back)
        ordered = [key.asc() if back else key.desc() for key in (found.c.awarded_at, found.c.id)]
        return list(db.session.scalars(select(found.c.id).order_by(*ordered).limit(limit)))

    def _ends(self, limit: int, *place: ColumnElement[bool], back: bool = False) -> Subquery:
        """Return the awards at the end of each quest's, so that only those are read; none without a quest."""
        keys: list[Any] = [Award.awarded_at, Award.id]
        ordered = [key.asc() if back else key.desc() for key in keys]
        return union_all(
            *(
                select(
                    select(*keys)
                    .where(Award.quest_id == quest_id, *self.conditions, *place)
                    .order_by(*ordered)
                    .limit(limit)
                    .subquery()
                )
                for quest_id in self.filters.quest_ids or (0,)
            )
        ).subquery()

    def total(self, shown: int, *, whole: bool) -> tuple[int, bool]:
        """Return the number of awards, and whether it is a lower bound. All awards of a quest are already counted."""
        if whole:
            return shown, False
        if self.filters == HolderFilters(self.filters.quest_ids):
            counted = select(func.sum(Quest.holders)).where(Quest.id.in_(self.filters.quest_ids))
            return int(db.session.scalar(counted) or 0), False
        if self.filters.text.strip():
            first = self._ends(COLLECT_LIMIT + 1)
            number = db.session.scalar(select(func.count()).select_from(first)) or 0
            return min(number, COLLECT_LIMIT), number > COLLECT_LIMIT
        read, number = db.session.execute(self._counts()).one()
        return max(min(number, COLLECT_LIMIT), shown), read > COLLECT_LIMIT

    def _counts(self) -> Select[int, int]:
        """Count each quest's newest awards in the period, and those of them that match: bounded work.

        `between` instead of `==` keeps PostgreSQL from searching everybody's newest awards for those of the quest.
        """
        newest = union_all(
            *(
                select(
                    select(Award.revoked_at, Award.source)
                    .where(Award.quest_id.between(quest_id, quest_id), *self._period())
                    .order_by(Award.quest_id.desc(), Award.awarded_at.desc())
                    .limit(COLLECT_LIMIT + 1)
                    .subquery()
                )
                for quest_id in self.filters.quest_ids or (0,)
            )
        ).subquery()
        matches: list[ColumnElement[bool]] = [newest.c.revoked_at.is_(None)]
        if self.filters.source:
            matches.append(newest.c.source == self.filters.source)
        return select(func.count(), func.count().filter(*matches)).select_from(newest)


def _cursor(award_id: int | None) -> Cursor | None:
    if award_id is None:
        return None
    place = select(Award.awarded_at, Award.id).where(Award.id == min(award_id, LARGEST_ID))
    row = db.session.execute(place).one_or_none()
    return (row[0], row[1]) if row else None


def _read(ids: list[int]) -> list[Event]:
    return [events.award_event(row) for row in events.read(_SELECT_BY_ID, {"ids": ids})]


_SELECT_BY_ID = events.awards().options(joinedload(Award.member)).where(in_array(Award.id, "ids"))


def _row(event: Event) -> Row:
    award, member = event.award, event.award.member
    return (
        member.external_id,
        member.username,
        member.email or "",
        member.name,
        MemberStatus(member.status).label,
        award.quest.badge.name,
        award.quest.name,
        f"{event.at:%Y-%m-%dT%H:%M:%SZ}",
        AwardSource(award.source).label,
        event.by,
        event.batch or "",
        award.reason_text,
    )
