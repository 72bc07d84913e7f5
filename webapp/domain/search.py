"""Search members, badges, quests and batches at once (E-3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, case, select
from sqlalchemy.orm import InstrumentedAttribute, contains_eager

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.batches import listing
from webapp.domain.batches.listing import BatchFilters
from webapp.domain.members import directory
from webapp.domain.normalization import fold
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

    At most ten queries. Nothing is found for a blank text.
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
    known = select(Member).where(Member.status != MemberStatus.ERASED, in_array(Member.id, members))
    rows = {row.id: row for row in db.session.scalars(known)}
    shown = {
        row.id: row for row in db.session.scalars(select(Badge).where(in_array(Badge.id, badges)))
    }
    batched = listing.by_id(batches)
    return Results(
        [rows[one] for one in members if one in rows],
        [shown[one] for one in badges if one in shown],
        [],
        [batched[one] for one in batches if one in batched],
    )


def _badges(key: str) -> list[Badge]:
    query = select(Badge).where(Badge.name_key.contains(key, autoescape=True))
    return list(
        db.session.scalars(query.order_by(*_best(Badge.name_key, key), Badge.id).limit(MOST))
    )


def _quests(key: str) -> list[Quest]:
    query = select(Quest).join(Quest.badge).options(contains_eager(Quest.badge))
    query = query.where(
        Quest.name_key.contains(key, autoescape=True), Quest.name_key != Badge.name_key
    )
    return list(
        db.session.scalars(query.order_by(*_best(Quest.name_key, key), Quest.id).limit(MOST))
    )


def _best(
    name: InstrumentedAttribute[str], key: str
) -> tuple[ColumnElement[int], InstrumentedAttribute[str]]:
    """Names that are the key come first, then those that start with it."""
    start = name.startswith(key, autoescape=True)
    return case((name == key, 0), (start, 1), else_=2), name


def _batches(text: str) -> list[Batch]:
    return listing.newest(BatchFilters(name=text), MOST)
