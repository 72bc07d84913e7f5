"""Awards for the API: newest first, by member, quest, batch, or all."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from webapp.database import LARGEST_ID, db
from webapp.database.arrays import in_array
from webapp.domain.keyset_pagination import After, KeysetPage, newest_first
from webapp.domain.lookup import require
from webapp.models import Award, Quest

_WHOLE = (joinedload(Award.quest).joinedload(Quest.badge), joinedload(Award.member))


def page(
    *,
    member_id: int | None = None,
    quest_id: int | None = None,
    batch_id: int | None = None,
    active: bool | None = None,
    after: After | None = None,
    limit: int = 50,
) -> KeysetPage[Award]:
    """Return up to `limit` awards with quest, badge and member, newest first; one query, answered by an index."""
    query = with_details()
    for column, id_ in (
        (Award.member_id, member_id),
        (Award.quest_id, quest_id),
        (Award.batch_id, batch_id),
    ):
        if id_ is not None:
            query = query.where(column == min(id_, LARGEST_ID))
    if active is not None:
        query = query.where(Award.revoked_at.is_(None) == active)
    return newest_first(query, Award.awarded_at, Award.id, after, limit)


def get(award_id: int) -> Award:
    return require(Award, award_id, fresh=True, options=_WHOLE)


def by_id(award_ids: list[int]) -> dict[int, Award]:
    """Return awards with quest, badge and member; one query. Unknown IDs are left out."""
    awards = db.session.scalars(with_details().where(in_array(Award.id, award_ids)))
    return {award.id: award for award in awards}


def active_awards(member_ids: list[int], quest_id: int | None = None) -> list[Award]:
    query = with_details().where(in_array(Award.member_id, member_ids), Award.revoked_at.is_(None))
    if quest_id is not None:
        query = query.where(Award.quest_id == quest_id)
    return list(db.session.scalars(query.order_by(Award.awarded_at, Award.id)))


def with_details() -> Select[Award]:
    return select(Award).options(*_WHOLE)
