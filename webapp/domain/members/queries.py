"""Members for the API, by their IDs."""

from __future__ import annotations

from sqlalchemy import select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.errors import NotFoundError
from webapp.domain.normalization import searchable
from webapp.models import Member


def by_external_id(external_id: str) -> Member:
    """Return the member with this community ID. Raises NotFoundError."""
    member = db.session.scalar(select(Member).where(Member.external_id == searchable(external_id)))
    if member is None:
        raise NotFoundError("common.member_not_found")
    return member


def by_id(member_ids: list[int]) -> dict[int, Member]:
    members = db.session.scalars(_SELECT_BY_ID, {"ids": member_ids})
    return {member.id: member for member in members}


_SELECT_BY_ID = select(Member).where(in_array(Member.id, "ids"))
