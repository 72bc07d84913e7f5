"""Directory filters, as conditions on a member and as index paths that find matching members.

Conditions are written so that a database can't use an index for them (`no_index`, and the fence in `exists_fenced`):
`search` chooses the path, because a wrong guess reads the whole table for a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Exists,
    Integer,
    Select,
    bindparam,
    func,
    literal,
    literal_column,
    not_,
    select,
    union,
)

from webapp.database.arrays import in_array
from webapp.domain.members import text_search
from webapp.domain.members.text_search import exists_fenced, no_index
from webapp.models import Award, Member, MemberStatus, Quest


@dataclass(frozen=True)
class MemberFilters:
    """All filters must match. Quests are IDs: a member has any quest of each group in `holds`, and none of `lacks`.

    `text` is the start of an ID, username or email, or of words of the name. `joined_since` is inclusive,
    `joined_until` exclusive; `least` and `most` limit the activity count, both inclusive. `ids` are selected members.
    """

    text: str = ""
    holds: tuple[tuple[int, ...], ...] = ()
    lacks: tuple[int, ...] = ()
    statuses: tuple[MemberStatus, ...] = ()
    joined_since: datetime | None = None
    joined_until: datetime | None = None
    least: int | None = None
    most: int | None = None
    ids: tuple[int, ...] = ()


EVERYBODY = MemberFilters()


class Shape(NamedTuple):
    """Which filters are set: all that a statement depends on. Their values are its `parameters`."""

    words: int | None  # words of the text; None without a text
    holds: int  # groups of quests
    lacks: bool
    statuses: tuple[MemberStatus, ...]
    joined_since: bool
    joined_until: bool
    least: bool
    most: bool
    ids: bool


def shape_of(filters: MemberFilters) -> Shape:
    return Shape(
        text_search.count_words(filters.text) if filters.text.strip() else None,
        len(filters.holds),
        bool(filters.lacks),
        filters.statuses,
        filters.joined_since is not None,
        filters.joined_until is not None,
        filters.least is not None,
        filters.most is not None,
        bool(filters.ids),
    )


def parameters(filters: MemberFilters) -> dict[str, Any]:
    """Return the values for statements made of the filters' shape."""
    found = text_search.parameters(filters.text) if filters.text.strip() else {}
    found |= {f"holds{place}": group for place, group in enumerate(filters.holds)}
    single = {
        "joined_since": filters.joined_since,
        "joined_until": filters.joined_until,
        "least": filters.least,
        "most": filters.most,
        "lacks": filters.lacks or None,
        "ids": list(filters.ids) or None,
        "number_of_ids": len(filters.ids) or None,
    }
    return found | {name: value for name, value in single.items() if value is not None}


class IndexPath(NamedTuple):
    """The matches of one filter in an index: their number (at most the parameter `counted`) and IDs."""

    size: ColumnElement[int]
    ids: Select[int] | CompoundSelect[int]


def conditions(shape: Shape, *, text: bool = True) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = [no_index(Member.status) != MemberStatus.ERASED]
    if shape.ids:
        clauses.append(in_array(Member.id, "ids"))
    if shape.statuses:
        clauses.append(no_index(Member.status).in_(shape.statuses))
    clauses += _join_date_conditions(shape, no_index(Member.joined_at)) + _active(
        shape, no_index(Member.activity)
    )
    if text and shape.words is not None:
        clauses.append(text_search.matches(shape.words))
    clauses += [_holds(f"holds{place}") for place in range(shape.holds)]
    if shape.lacks:
        clauses.append(not_(_holds("lacks")))
    return clauses


@lru_cache(maxsize=256)
def index_paths(shape: Shape) -> list[IndexPath]:
    """Return a path for each filter that an index answers."""
    return list(_index_paths(shape))


def _index_paths(shape: Shape) -> Iterator[IndexPath]:
    if shape.ids:
        chosen = select(Member.id).where(in_array(Member.id, "ids"))
        yield IndexPath(bindparam("number_of_ids", type_=Integer), chosen)
    if shape.words is not None:
        for parts in text_search.candidate_queries(shape.words):
            first, *more = (_counted(ids.order_by(column)) for column, ids in parts)
            yield IndexPath(sum(more, start=first), union(*(ids for _, ids in parts)))
    for place in range(shape.holds):
        group: BindParameter[Any] = bindparam(f"holds{place}", expanding=True)
        holding = select(Award.member_id.label("id")).where(
            Award.quest_id.in_(group), Award.revoked_at.is_(None)
        )
        holders = select(func.sum(Quest.holders)).where(Quest.id.in_(group))
        yield IndexPath(holders.scalar_subquery(), holding.distinct())
    if shape.statuses and MemberStatus.ACTIVE not in shape.statuses:
        apart = Member.status != literal_column("'active'")  # as in the index definition
        yield _of_members(Member.status.in_(shape.statuses), apart)
    for clauses in (
        _join_date_conditions(shape, Member.joined_at),
        _active(shape, Member.activity),
    ):
        if clauses:
            yield _of_members(*clauses)


def _join_date_conditions(shape: Shape, column: Any) -> list[ColumnElement[bool]]:
    clauses = [column >= bindparam("joined_since")] if shape.joined_since else []
    return [*clauses, column < bindparam("joined_until")] if shape.joined_until else clauses


def _active(shape: Shape, column: Any) -> list[ColumnElement[bool]]:
    clauses = [column >= bindparam("least")] if shape.least else []
    return [*clauses, column <= bindparam("most")] if shape.most else clauses


def _holds(group: str) -> Exists:
    return exists_fenced(
        Award.member_id == Member.id,
        Award.quest_id.in_(bindparam(group, expanding=True)),
        Award.revoked_at.is_(None),
    )


def _of_members(*conditions: ColumnElement[bool]) -> IndexPath:
    ids = select(Member.id).where(*conditions)
    return IndexPath(_counted(ids), ids)


def _counted(ids: Select[int]) -> ColumnElement[int]:
    """Count up to a limit. In an index's order, PostgreSQL doesn't search the table for that many rows instead."""
    first = ids.with_only_columns(literal(1)).limit(bindparam("counted", type_=Integer)).subquery()
    return select(func.count()).select_from(first).scalar_subquery()
