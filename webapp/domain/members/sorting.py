"""Sort orders of the directory, each with its own indexes, and cursors in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, literal, select, tuple_

from webapp.database import LARGEST_ID, db
from webapp.domain.members import text_search
from webapp.domain.members.filters import MemberFilters, Shape, parameters, shape_of
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


def columns_of(sort: MemberSort, shape: Shape, *, met: bool = False) -> Columns:
    """Return the columns that define a member's unique position; `met` if all members that are read match the text."""
    if by_match(sort, shape) and shape.words is not None:
        return (*text_search.match(shape.words, met=met), Member.id)
    return SORTS[sort.column]


def by_match(sort: MemberSort, shape: Shape) -> bool:
    return sort.column == "match" and shape.words is not None


def place_of(member_id: int, sort: MemberSort, filters: MemberFilters) -> Cursor | None:
    """Return a member's position in an order; None if the member doesn't exist."""
    values = {**parameters(filters), "member_id": min(member_id, LARGEST_ID)}
    row = db.session.execute(_select_place(sort, shape_of(filters)), values).one_or_none()
    return tuple(row) if row else None


@lru_cache(maxsize=256)
def _select_place(sort: MemberSort, shape: Shape) -> Select[Any]:
    return select(*columns_of(sort, shape)).where(
        Member.id == bindparam("member_id"), Member.status != MemberStatus.ERASED
    )


def ordered(columns: Columns, sort: MemberSort, back: bool) -> list[Any]:
    down = sort.descending != back
    return [column.desc() if down else column.asc() for column in columns]


def mark_values(mark: Cursor | None, name: str = "mark") -> dict[str, Any]:
    """Return the parameters of a position that a statement starts after, or ends at."""
    return {f"{name}{place}": value for place, value in enumerate(mark or ())}


def after_cursor(
    columns: Columns, sort: MemberSort, marked: bool, back: bool
) -> ColumnElement[bool] | Any:
    """Return a condition for members after the mark, if any, in this direction, without erased members."""
    condition = literal(True)
    if columns[0].type.python_type is str:
        condition = columns[0] >= FIRST_KEY
    if not marked:
        return condition
    return condition & _compared(columns, sort.descending != back, "mark", within=False)


def through_cursor(columns: Columns, sort: MemberSort, back: bool) -> ColumnElement[bool]:
    """Return a condition for members up to and including the position `end` in this direction."""
    return _compared(columns, sort.descending == back, "end", within=True)


def _compared(columns: Columns, down: bool, name: str, *, within: bool) -> ColumnElement[bool]:
    typed = [bindparam(f"{name}{place}", type_=of.type) for place, of in enumerate(columns)]
    here, there = (tuple_(*columns), tuple_(*typed)) if len(typed) > 1 else (columns[0], typed[0])
    if within:
        return here <= there if down else here >= there
    return here < there if down else here > there
