"""The orders of the directory, each with indexes of its own, and places in them to go on from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, literal, select, tuple_

from webapp.database import LARGEST_ID, db
from webapp.domain.members import text_search
from webapp.domain.members.filters import MemberFilters
from webapp.models import Member, MemberStatus

FIRST_KEY = "!"  # erased members' keys begin with a blank, which nobody else's does

Columns = tuple[Any, ...]
Cursor = tuple[Any, ...]  # a place in an order: the values of its columns


@dataclass(frozen=True)
class Sort:
    """What orders the directory, and its direction. By `match`: by username, or by how a search was met."""

    column: str = "match"
    descending: bool = False


BY_MATCH = Sort()
SORTS: dict[str, Columns] = {
    "match": (Member.username_key,),
    "username": (Member.username_key,),
    "id": (Member.external_id,),
    "joined": (Member.joined_at, Member.id),
    "activity": (Member.activity, Member.id),
}


def columns_of(sort: Sort, filters: MemberFilters) -> Columns:
    """What a member's place is made of; no two members have the same."""
    if by_match(sort, filters):
        return (*text_search.match(filters.text), Member.id)
    return SORTS[sort.column]


def by_match(sort: Sort, filters: MemberFilters) -> bool:
    return sort.column == "match" and bool(filters.text.strip())


def place_of(member_id: int, sort: Sort, filters: MemberFilters) -> Cursor | None:
    """Where a member stands in an order; None where there is no such member."""
    query = select(*columns_of(sort, filters)).where(
        Member.id == min(member_id, LARGEST_ID), Member.status != MemberStatus.ERASED
    )
    row = db.session.execute(query).one_or_none()
    return tuple(row) if row else None


def ordered(columns: Columns, sort: Sort, back: bool) -> list[Any]:
    down = sort.descending != back
    return [column.desc() if down else column.asc() for column in columns]


def after_cursor(
    columns: Columns, sort: Sort, mark: Cursor | None, back: bool
) -> ColumnElement[bool] | Any:
    """What lies beyond the mark in that direction; erased members' keys lie outside."""
    condition = literal(True)
    if columns[0].type.python_type is str:
        condition = columns[0] >= FIRST_KEY
    if mark is None:
        return condition
    return condition & _compared(columns, sort.descending != back, mark, within=False)


def through_cursor(columns: Columns, sort: Sort, mark: Cursor, back: bool) -> ColumnElement[bool]:
    """What lies before the mark in that direction, with the mark itself."""
    return _compared(columns, sort.descending == back, mark, within=True)


def _compared(columns: Columns, down: bool, mark: Cursor, *, within: bool) -> ColumnElement[bool]:
    typed = [literal(value, column.type) for value, column in zip(mark, columns, strict=True)]
    here, there = (tuple_(*columns), tuple_(*typed)) if len(typed) > 1 else (columns[0], typed[0])
    if within:
        return here <= there if down else here >= there
    return here < there if down else here > there
