"""Sort orders of the directory, each with its own indexes, and cursors in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, literal, select, tuple_

from webapp.database import LARGEST_ID, db
from webapp.domain.members import text_search
from webapp.domain.members.filters import MemberFilters
from webapp.models import Member, MemberStatus

FIRST_KEY = "!"  # sorts after erased members' keys, which start with a space

Columns = tuple[Any, ...]
Cursor = tuple[Any, ...]  # values of the order's columns


@dataclass(frozen=True)
class MemberSort:
    """Sort column and direction. `match` means by username, or by how the search matched."""

    column: str = "match"
    descending: bool = False


BY_MATCH = MemberSort()
SORTS: dict[str, Columns] = {
    "match": (Member.username_key,),
    "username": (Member.username_key,),
    "id": (Member.external_id,),
    "joined": (Member.joined_at, Member.id),
    "activity": (Member.activity, Member.id),
}


def columns_of(sort: MemberSort, filters: MemberFilters) -> Columns:
    """Return the columns that define a member's unique position."""
    if by_match(sort, filters):
        return (*text_search.match(filters.text), Member.id)
    return SORTS[sort.column]


def by_match(sort: MemberSort, filters: MemberFilters) -> bool:
    return sort.column == "match" and bool(filters.text.strip())


def place_of(member_id: int, sort: MemberSort, filters: MemberFilters) -> Cursor | None:
    """Return a member's position in an order; None if the member doesn't exist."""
    query = select(*columns_of(sort, filters)).where(
        Member.id == min(member_id, LARGEST_ID), Member.status != MemberStatus.ERASED
    )
    row = db.session.execute(query).one_or_none()
    return tuple(row) if row else None


def ordered(columns: Columns, sort: MemberSort, back: bool) -> list[Any]:
    down = sort.descending != back
    return [column.desc() if down else column.asc() for column in columns]


def after_cursor(
    columns: Columns, sort: MemberSort, mark: Cursor | None, back: bool
) -> ColumnElement[bool] | Any:
    """Return a condition for members after the mark in this direction, without erased members."""
    condition = literal(True)
    if columns[0].type.python_type is str:
        condition = columns[0] >= FIRST_KEY
    if mark is None:
        return condition
    return condition & _compared(columns, sort.descending != back, mark, within=False)


def through_cursor(
    columns: Columns, sort: MemberSort, mark: Cursor, back: bool
) -> ColumnElement[bool]:
    """Return a condition for members up to and including the mark in this direction."""
    return _compared(columns, sort.descending == back, mark, within=True)


def _compared(columns: Columns, down: bool, mark: Cursor, *, within: bool) -> ColumnElement[bool]:
    typed = [literal(value, column.type) for value, column in zip(mark, columns, strict=True)]
    here, there = (tuple_(*columns), tuple_(*typed)) if len(typed) > 1 else (columns[0], typed[0])
    if within:
        return here <= there if down else here >= there
    return here < there if down else here > there
