"""Members for the API: all, by prefix, or by quest held; with keyset pagination."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select

from webapp.database import LARGEST_ID, db
from webapp.database.arrays import in_array
from webapp.domain.errors import NotFoundError
from webapp.domain.keyset_pagination import After, KeysetPage
from webapp.domain.members.text_search import begins_with, prefixes
from webapp.domain.normalization import searchable
from webapp.models import Award, Member, MemberStatus, Quest

FEW = 5_000  # holders; up to this many are looked up first, otherwise members are scanned


def by_external_id(external_id: str) -> Member:
    """Return the member with this community ID. Raises NotFoundError."""
    member = db.session.scalar(select(Member).where(Member.external_id == searchable(external_id)))
    if member is None:
        raise NotFoundError("common.member_not_found")
    return member


def by_id(member_ids: list[int]) -> dict[int, Member]:
    members = db.session.scalars(select(Member).where(in_array(Member.id, member_ids)))
    return {member.id: member for member in members}


def page(
    text: str = "", holds: int | None = None, after: After | None = None, limit: int = 50
) -> KeysetPage[Member]:
    """Return up to `limit` members whose username, email or ID starts with `text`, in this order, and who hold `holds`.

    One query for each of the three, starting at `after`, a column's position and a key; each member appears once.
    """
    sought = prefixes(text) if text.strip() else [(Member.username_key, "")]
    place, key = after or (0, None)
    members: list[Member] = []
    while place < len(sought):
        column, prefix = sought[place]
        query = select(Member).where(Member.status != MemberStatus.ERASED)
        if prefix:
            query = query.where(begins_with(column, prefix))
        if key is not None:
            query = query.where(column > key)
        if holds is not None:
            query = query.where(_holds(holds))
        query = query.where(*(_without(*condition) for condition in sought[:place]))
        rows = list(db.session.scalars(query.order_by(column).limit(limit + 1 - len(members))))
        if len(members) + len(rows) > limit:
            rows = rows[: limit - len(members)]
            # If the page ends before this column's first row, the next one starts at its beginning.
            last = getattr(rows[-1], column.key) if rows else key or ""
            return KeysetPage(members + rows, (place, last))
        members += rows
        place, key = place + 1, None
    return KeysetPage(members, None)


def _without(column: Any, prefix: str) -> ColumnElement[bool]:
    return or_(column.is_(None), ~begins_with(column, prefix))


def _holds(quest_id: int) -> ColumnElement[bool]:
    """True for holders of the quest: few are found by their awards, many are checked one by one."""
    quest_id = min(quest_id, LARGEST_ID)
    active = Award.quest_id == quest_id, Award.revoked_at.is_(None)
    holders = db.session.scalar(select(Quest.holders).where(Quest.id == quest_id)) or 0
    if holders <= FEW:
        return in_array(Member.id, list(db.session.scalars(select(Award.member_id).where(*active))))
    return exists().where(Award.member_id == Member.id, *active)
