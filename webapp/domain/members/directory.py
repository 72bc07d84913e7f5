"""The directory of members: filtered, sorted pages, and all of it for exports and batches."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.keyset_pagination import After, KeysetPage
from webapp.domain.lookup import require
from webapp.domain.members.filters import EVERYBODY, MemberFilters
from webapp.domain.members.queries import by_id
from webapp.domain.members.search import Search
from webapp.domain.members.sorting import BY_MATCH, SORTS, Cursor, MemberSort, by_match, place_of
from webapp.domain.pagination import PAGE_SIZE
from webapp.models import Award, Member

__all__ = [
    "BY_MATCH",
    "EVERYBODY",
    "SORTS",
    "MemberListing",
    "MemberSort",
    "count",
    "first",
    "get",
    "page",
    "positions",
]


@dataclass(frozen=True)
class MemberListing:
    """Members, with their number of badges by ID.

    `previous` and `next` are the members to continue before and after, or None. With `more`, `total` is a lower bound.
    """

    members: list[Member]
    badges: dict[int, int]
    total: int
    more: bool
    previous: int | None = None
    next: int | None = None


def get(member_id: int) -> Member:
    """Return the member. Raises NotFoundError, also for an erased member."""
    return require(Member, member_id)


def page(
    filters: MemberFilters = EVERYBODY,
    sort: MemberSort = BY_MATCH,
    after: int | None = None,
    before: int | None = None,
    size: int = PAGE_SIZE,
) -> MemberListing:
    """Return the first page of the filtered members, or the page next to a member; an unknown one gives the first.

    At most eight queries, regardless of size and position. Unless another order is requested, exact matches come first.
    """
    search = Search(filters, sort)
    named = search.exact() if by_match(sort, search.shape) else []
    beside = after if after is not None else before
    mark = place_of(beside, sort, filters) if beside is not None and beside not in named else None
    if mark and after is not None:
        ids = search.page(mark, size + 1, named)
        if ids:
            return _listing(search, ids[:size], before=True, after=len(ids) > size)
    elif mark:
        ids = search.page(mark, size + 1, named, back=True)
        if len(ids) > size:
            return _listing(search, ids[:size][::-1], before=True, after=True)
    ids = named + search.page(None, size + 1 - len(named), named)
    return _listing(search, ids[:size], before=False, after=len(ids) > size)


def positions(filters: MemberFilters, after: After | None, limit: int) -> KeysetPage[Member]:
    """Return up to `limit` members in the order of the page, for clients that read on from a position.

    A position is 0 within exact matches, else 1 more than the order's first column; then a key, and a member's ID. At
    most seven queries.
    """
    search = Search(filters)
    searched = by_match(BY_MATCH, search.shape)
    named = search.exact() if searched else []
    place, key, member_id = after or (0, "", 0)
    mark: Cursor | None = None
    ids = named if after is None else []
    if place:
        mark = (place - 1, key, member_id) if searched else (key,)
    elif member_id in named:
        ids = named[named.index(member_id) + 1 :]
    if len(ids) <= limit:
        ids = [*ids, *search.page(mark, limit + 1 - len(ids), named)]
    more = len(ids) > limit
    ids = ids[:limit]
    members = by_id(ids)
    found = [members[one] for one in ids if one in members]
    return KeysetPage(found, _position(ids[-1], search, named) if more else None)


def _position(member_id: int, search: Search, named: list[int]) -> After:
    if member_id in named:
        return (0, "", member_id)
    place = place_of(member_id, search.sort, search.filters) or ("",)
    return (place[0] + 1, *place[1:]) if len(place) > 1 else (1, *place, 0)


def best(text: str, size: int) -> tuple[list[Member], int]:
    """Return the first `size` members for a search text, and how many of them match it exactly.

    Three queries for one word, at most six for several; unlike `page`, nothing is counted.
    """
    ids, exact = Search(MemberFilters(text=text)).best(size)
    rows = by_id(ids)
    return [rows[one] for one in ids if one in rows], exact


def count(filters: MemberFilters) -> int:
    return Search(filters).count()


def first(filters: MemberFilters, number: int) -> list[Member]:
    """Return the first `number` of the filtered members, in the order they were added; at most three queries."""
    ids = Search(filters).first(number)
    return list(
        db.session.scalars(select(Member).where(in_array(Member.id, ids)).order_by(Member.id))
    )


def _listing(search: Search, ids: list[int], *, before: bool, after: bool) -> MemberListing:
    rows = by_id(ids)
    total, more = search.total(len(ids), whole=not before and not after)
    return MemberListing(
        [rows[member_id] for member_id in ids if member_id in rows],
        badges_of(ids),
        total,
        more,
        ids[0] if before and ids else None,
        ids[-1] if after and ids else None,
    )


def badges_of(member_ids: list[int]) -> dict[int, int]:
    """Return the number of active awards by member, without zeros."""
    return dict(db.session.execute(_COUNT_BADGES, {"members": member_ids}).all())


_COUNT_BADGES = (
    select(Award.member_id, func.count())
    .where(in_array(Award.member_id, "members"), Award.revoked_at.is_(None))
    .group_by(Award.member_id)
)
