"""Awards for the API: newest first, by member, quest, batch, or all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import joinedload

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.keyset_pagination import After, KeysetPage, newest_first, oldest_first
from webapp.domain.lookup import require
from webapp.models import Award, AwardSource, Quest

_WHOLE = (joinedload(Award.quest).joinedload(Quest.badge), joinedload(Award.member))


@dataclass(frozen=True)
class AwardFilters:
    """Conditions that must all match; times include the first and exclude the last moment."""

    member_id: int | None = None
    quest_id: int | None = None
    batch_id: int | None = None
    source: AwardSource | None = None
    active: bool | None = None
    awarded_since: datetime | None = None
    awarded_before: datetime | None = None
    updated_since: datetime | None = None


def page(filters: AwardFilters, after: After | None = None, limit: int = 50) -> KeysetPage[Award]:
    """Return up to `limit` awards with quest, badge and member; one query, answered by an index.

    Newest first; with `updated_since`, in the order of their last changes, so that an award that changes while someone
    reads the pages comes again instead of being missed.
    """
    query = with_details().where(*_conditions(filters))
    if filters.updated_since is not None:
        return oldest_first(query, Award.updated_at, Award.id, after, limit)
    return newest_first(query, Award.awarded_at, Award.id, after, limit)


def _conditions(filters: AwardFilters) -> Iterator[ColumnElement[bool]]:
    for column, value in (
        (Award.member_id, filters.member_id),
        (Award.quest_id, filters.quest_id),
        (Award.batch_id, filters.batch_id),
        (Award.source, filters.source),
    ):
        if value is not None:
            yield column == value
    if filters.active is not None:
        yield Award.revoked_at.is_(None) if filters.active else Award.revoked_at.is_not(None)
    if filters.awarded_since is not None:
        yield Award.awarded_at >= filters.awarded_since
    if filters.awarded_before is not None:
        yield Award.awarded_at < filters.awarded_before
    if filters.updated_since is not None:
        yield Award.updated_at >= filters.updated_since


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
