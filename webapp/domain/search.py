"""Search members, badges, quests and batches at once (E-3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, bindparam, case, select
from sqlalchemy.orm import InstrumentedAttribute, contains_eager

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.batches import listing
from webapp.domain.batches.listing import BatchFilters
from webapp.domain.members import directory
from webapp.domain.normalization import ESCAPE, fold, like_part, like_start
from webapp.models import Badge, Batch, Member, MemberStatus, Quest

MOST = 5  # results of each kind


@dataclass(frozen=True)
class Results:
    """The best results of each kind. `exact` is the member whose ID, username or email is the text."""

    members: list[Member] = field(default_factory=list)
    badges: list[Badge] = field(default_factory=list)
    quests: list[Quest] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    exact: Member | None = None

    def __bool__(self) -> bool:
        return any((self.members, self.badges, self.quests, self.batches))


def find(text: str) -> Results:
    """Search by the start of a member's ID, username, email or name, and by any part of another name.

    At most nine queries, of which six find the members. Nothing is found for a blank text.
    """
    key = fold(text)
    if not key:
        return Results()
    members, exact = directory.best(text, MOST)
    return Results(
        members, _badges(key), _quests(key), _batches(text), members[0] if exact == 1 else None
    )


def by_id(members: list[int], badges: list[int], batches: list[int]) -> Results:
    """Load items that were opened before, each kind in the given order; three queries. Erased members are left out."""
    rows = {row.id: row for row in db.session.scalars(_SELECT_MEMBERS_BY_ID, {"ids": members})}
    shown = {row.id: row for row in db.session.scalars(_SELECT_BADGES_BY_ID, {"ids": badges})}
    batched = listing.by_id(batches)
    return Results(
        [rows[one] for one in members if one in rows],
        [shown[one] for one in badges if one in shown],
        [],
        [batched[one] for one in batches if one in batched],
    )


_SELECT_MEMBERS_BY_ID = select(Member).where(
    Member.status != MemberStatus.ERASED, in_array(Member.id, "ids")
)
_SELECT_BADGES_BY_ID = select(Badge).where(in_array(Badge.id, "ids"))


def _badges(key: str) -> list[Badge]:
    return list(db.session.scalars(_SELECT_BADGES, _patterns(key)))


def _quests(key: str) -> list[Quest]:
    return list(db.session.scalars(_SELECT_QUESTS, _patterns(key)))


def _patterns(key: str) -> dict[str, str]:
    return {"key": key, "start": like_start(key), "part": like_part(key)}


def _has_part(name: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return name.like(bindparam("part"), escape=ESCAPE)


def _best(
    name: InstrumentedAttribute[str],
) -> tuple[ColumnElement[int], InstrumentedAttribute[str]]:
    """Names that are the key come first, then those that start with it."""
    start = name.like(bindparam("start"), escape=ESCAPE)
    return case((name == bindparam("key"), 0), (start, 1), else_=2), name


_SELECT_BADGES = (
    select(Badge)
    .where(_has_part(Badge.name_key))
    .order_by(*_best(Badge.name_key), Badge.id)
    .limit(MOST)
)
_SELECT_QUESTS = (
    select(Quest)
    .join(Quest.badge)
    .options(contains_eager(Quest.badge))
    .where(_has_part(Quest.name_key), Quest.name_key != Badge.name_key)
    .order_by(*_best(Quest.name_key), Quest.id)
    .limit(MOST)
)


def _batches(text: str) -> list[Batch]:
    return listing.newest(BatchFilters(name=text), MOST)
