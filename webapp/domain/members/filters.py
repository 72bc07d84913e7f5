"""Directory filters, as conditions on a member and as index paths that find matching members.

Conditions are written so that a database can't use an index for them (`no_index`, and the fence in `exists_fenced`):
`search` chooses the path, because a wrong guess reads the whole table for a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Exists,
    Select,
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

MANY = 200_000  # largest number of matches counted per path


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


class IndexPath(NamedTuple):
    """The matches of one filter in an index: their number (at most MANY + 1) and IDs."""

    size: ColumnElement[int]
    ids: Select[int] | CompoundSelect[int]


def conditions(filters: MemberFilters, *, text: bool = True) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = [no_index(Member.status) != MemberStatus.ERASED]
    if filters.ids:
        clauses.append(in_array(Member.id, list(filters.ids)))
    if filters.statuses:
        clauses.append(no_index(Member.status).in_(filters.statuses))
    clauses += _join_date_conditions(filters, no_index(Member.joined_at)) + _active(
        filters, no_index(Member.activity)
    )
    if text and filters.text.strip():
        clauses.append(text_search.matches(filters.text))
    clauses += [_holds(group) for group in filters.holds]
    if filters.lacks:
        clauses.append(not_(_holds(filters.lacks)))
    return clauses


def index_paths(filters: MemberFilters) -> Iterator[IndexPath]:
    """Yield a path for each filter that an index answers."""
    if filters.ids:
        chosen = select(Member.id).where(in_array(Member.id, list(filters.ids)))
        yield IndexPath(literal(len(filters.ids)), chosen)
    if filters.text.strip():
        for parts in text_search.candidate_queries(filters.text):
            first, *more = map(_up_to_many, parts)
            yield IndexPath(sum(more, start=first), union(*parts))
    for group in filters.holds:
        holding = select(Award.member_id.label("id")).where(
            Award.quest_id.in_(group), Award.revoked_at.is_(None)
        )
        holders = select(func.sum(Quest.holders)).where(Quest.id.in_(group))
        yield IndexPath(
            holders.scalar_subquery(), holding.distinct() if len(group) > 1 else holding
        )
    if filters.statuses and MemberStatus.ACTIVE not in filters.statuses:
        apart = Member.status != literal_column("'active'")  # as in the index definition
        yield _of_members(Member.status.in_(filters.statuses), apart)
    for clauses in (
        _join_date_conditions(filters, Member.joined_at),
        _active(filters, Member.activity),
    ):
        if clauses:
            yield _of_members(*clauses)


def _join_date_conditions(filters: MemberFilters, column: Any) -> list[ColumnElement[bool]]:
    since, until = filters.joined_since, filters.joined_until
    clauses = [column >= since] if since is not None else []
    return [*clauses, column < until] if until is not None else clauses


def _active(filters: MemberFilters, column: Any) -> list[ColumnElement[bool]]:
    clauses = [column >= filters.least] if filters.least is not None else []
    return [*clauses, column <= filters.most] if filters.most is not None else clauses


def _holds(quests: tuple[int, ...]) -> Exists:
    return exists_fenced(
        Award.member_id == Member.id, Award.quest_id.in_(quests), Award.revoked_at.is_(None)
    )


def _of_members(*conditions: ColumnElement[bool]) -> IndexPath:
    ids = select(Member.id).where(*conditions)
    return IndexPath(_up_to_many(ids), ids)


def _up_to_many(ids: Select[int]) -> ColumnElement[int]:
    counted = ids.with_only_columns(literal(1)).limit(MANY + 1).subquery()
    return select(func.count()).select_from(counted).scalar_subquery()
