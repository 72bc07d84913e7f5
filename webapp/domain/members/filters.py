"""What the directory is filtered by: as conditions on a member, and as ways to find those who meet one.

A condition is put so that a database can't use it to find members by (`plain`, the fence in `there_is`): which way is
taken is decided in `member_search`, as a wrong guess reads the whole table for a page.
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

from webapp.domain.members import text_search
from webapp.domain.members.text_search import exists_fenced, no_index
from webapp.models import Award, Member, MemberStatus, Quest

MANY = 200_000  # that a way is measured up to


@dataclass(frozen=True)
class MemberFilters:
    """Who is wanted; all that is said adds up. Quests are ids: of each group in `holds` any, of `lacks` none.

    `text` is the beginning of an ID, a username or an email, or of words of the name. `joined_since` is within,
    `joined_until` is not; `least` and `most` are of the activity count, both within.
    """

    text: str = ""
    holds: tuple[tuple[int, ...], ...] = ()
    lacks: tuple[int, ...] = ()
    statuses: tuple[MemberStatus, ...] = ()
    joined_since: datetime | None = None
    joined_until: datetime | None = None
    least: int | None = None
    most: int | None = None


EVERYBODY = MemberFilters()


class IndexPath(NamedTuple):
    """Where those who meet one filter stand in an index: how many (no more than MANY + 1), and their ids."""

    size: ColumnElement[int]
    ids: Select[int] | CompoundSelect[int]


def conditions(asked: MemberFilters, *, text: bool = True) -> list[ColumnElement[bool]]:
    """What a member must meet, with or without the text; who was erased meets nothing."""
    found: list[ColumnElement[bool]] = [no_index(Member.status) != MemberStatus.ERASED]
    if asked.statuses:
        found.append(no_index(Member.status).in_(asked.statuses))
    found += _joined(asked, no_index(Member.joined_at)) + _active(asked, no_index(Member.activity))
    if text and asked.text.strip():
        found.append(text_search.named(asked.text))
    found += [_holds(group) for group in asked.holds]
    if asked.lacks:
        found.append(not_(_holds(asked.lacks)))
    return found


def index_paths(asked: MemberFilters) -> Iterator[IndexPath]:
    """A way for each filter that an index answers."""
    if asked.text.strip():
        for parts in text_search.candidate_queries(asked.text):
            first, *others = map(_up_to_many, parts)
            yield IndexPath(sum(others, start=first), union(*parts))
    for group in asked.holds:
        holding = select(Award.member_id.label("id")).where(
            Award.quest_id.in_(group), Award.revoked_at.is_(None)
        )
        holders = select(func.sum(Quest.holders)).where(Quest.id.in_(group))
        yield IndexPath(
            holders.scalar_subquery(), holding.distinct() if len(group) > 1 else holding
        )
    if asked.statuses and MemberStatus.ACTIVE not in asked.statuses:
        apart = Member.status != literal_column("'active'")  # as the index says it
        yield _of_members(Member.status.in_(asked.statuses), apart)
    for some in (_joined(asked, Member.joined_at), _active(asked, Member.activity)):
        if some:
            yield _of_members(*some)


def _joined(asked: MemberFilters, column: Any) -> list[ColumnElement[bool]]:
    since, until = asked.joined_since, asked.joined_until
    found = [column >= since] if since is not None else []
    return [*found, column < until] if until is not None else found


def _active(asked: MemberFilters, column: Any) -> list[ColumnElement[bool]]:
    found = [column >= asked.least] if asked.least is not None else []
    return [*found, column <= asked.most] if asked.most is not None else found


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
