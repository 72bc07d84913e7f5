"""What happened to awards, with the names of those who did it; read for a member's history and for lists of holders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased, contains_eager

from webapp.database import db
from webapp.messages import Message, message
from webapp.models import ApiKey, Award, AwardSource, Batch, Quest, Staff


class EventKind(StrEnum):
    AWARDED = "Awarded"
    REVOKED = "Revoked"
    RESTORED = "Restored"


@dataclass(frozen=True)
class Event:
    kind: EventKind
    award: Award
    at: datetime
    by: str
    reason: str = ""
    how: Message | None = None  # ends the sentence; the name of a batch may follow
    batch: str | None = None  # name, possibly empty

    @property
    def is_revocation(self) -> bool:
        return self.kind == EventKind.REVOKED


Query = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class AwardRow:
    """An award with who awarded, revoked and restored it, and the name of its batch."""

    award: Award
    awarded_by: str
    revoked_by: str
    restored_by: str
    batch: str | None


_awarder, _revoker, _restorer = aliased(Staff), aliased(Staff), aliased(Staff)
_PEOPLE = (_awarder, _revoker, _restorer)
_awarding, _revoking = aliased(ApiKey), aliased(ApiKey)


def awards() -> Query:
    """Return a query of awards that `read` runs, newest first."""
    return (
        select(
            Award,
            *(func.coalesce(func.nullif(one.name, ""), one.email) for one in _PEOPLE),
            _awarding.name,
            _revoking.name,
            Batch.name,
        )
        .join(Award.quest)
        .join(Quest.badge)
        .outerjoin(_awarder, _awarder.id == Award.awarded_by)
        .outerjoin(_revoker, _revoker.id == Award.revoked_by)
        .outerjoin(_restorer, _restorer.id == Award.restored_by)
        .outerjoin(_awarding, _awarding.id == Award.awarded_key)
        .outerjoin(_revoking, _revoking.id == Award.revoked_key)
        .outerjoin(Batch, Batch.id == Award.batch_id)
        .options(contains_eager(Award.quest).contains_eager(Quest.badge))
        .order_by(Award.awarded_at.desc(), Award.id.desc())
    )


def read(query: Query, parameters: dict[str, Any]) -> list[AwardRow]:
    return [
        AwardRow(award, _name(by, key), _name(ended, ended_by), _name(back), batch)
        for award, by, ended, back, key, ended_by, batch in db.session.execute(query, parameters)
    ]


def award_event(row: AwardRow) -> Event:
    """Return how the award was made, by whom and why."""
    award = row.award
    in_batch = row.batch is not None
    how = Message("awarded.in_batch" if in_batch else f"awarded.{award.source}")
    by, why = row.awarded_by, award.reason_text
    if award.source == AwardSource.RULE and why:
        how, why = message("awarded.earned", why=why), ""
    return Event(EventKind.AWARDED, award, award.awarded_at, by, why, how, row.batch)


def _name(person: str | None, key: str | None = None) -> str:
    return (person or "") if key is None else ApiKey.title_of(key)
