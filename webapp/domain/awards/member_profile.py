"""A member's badges and award history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import aliased, contains_eager

from webapp.database import db
from webapp.domain.members import directory
from webapp.domain.pagination import Page, paginate_list
from webapp.messages import Message, message
from webapp.models import ApiKey, Award, AwardSource, Batch, Member, Quest, Staff


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


@dataclass(frozen=True)
class Profile:
    """A member, the awards they hold, and a page of their history, newest first."""

    member: Member
    held: list[Event]
    history: Page[Event]
    restored: frozenset[int]  # IDs of revoked awards that were restored

    @property
    def quests(self) -> frozenset[int]:
        return frozenset(event.award.quest_id for event in self.held)

    def revocation(self, award_id: int) -> Award | None:
        """Return the award with this ID if it was revoked and not restored."""
        for event in self.history.items:
            if event.kind == EventKind.REVOKED and event.award.id == award_id:
                return None if award_id in self.restored else event.award
        return None


def load(member_id: int, number: int = 1) -> Profile:
    member = directory.get(member_id)
    rows = _awards(member_id)
    made = [_award_event(row) for row in rows]
    events = [event for event in made if event.award.restores_id is None]
    events += [event for row in rows for event in _later(row)]
    # At the same time, the later award is the newer event; within an award, its end.
    events.sort(
        key=lambda event: (event.at, event.award.id, event.kind == EventKind.REVOKED), reverse=True
    )
    held = [event for event in made if event.award.revoked_at is None]
    restored = frozenset(row.award.restores_id for row in rows if row.award.restores_id)
    return Profile(member, held, paginate_list(events, number), restored)


@dataclass(frozen=True)
class _Row:
    """An award with who awarded, revoked and restored it, and the name of its batch."""

    award: Award
    awarded_by: str
    revoked_by: str
    restored_by: str
    batch: str | None


def _awards(member_id: int) -> list[_Row]:
    """Return the member's awards, newest first; one query."""
    awarder, revoker, restorer = aliased(Staff), aliased(Staff), aliased(Staff)
    awarding, revoking = aliased(ApiKey), aliased(ApiKey)
    rows = db.session.execute(
        select(Award, awarder, revoker, restorer, awarding, revoking, Batch.name)
        .join(Award.quest)
        .join(Quest.badge)
        .outerjoin(awarder, awarder.id == Award.awarded_by)
        .outerjoin(revoker, revoker.id == Award.revoked_by)
        .outerjoin(restorer, restorer.id == Award.restored_by)
        .outerjoin(awarding, awarding.id == Award.awarded_key)
        .outerjoin(revoking, revoking.id == Award.revoked_key)
        .outerjoin(Batch, Batch.id == Award.batch_id)
        .options(contains_eager(Award.quest).contains_eager(Quest.badge))
        .where(Award.member_id == member_id)
        .order_by(Award.awarded_at.desc(), Award.id.desc())
    )
    return [
        _Row(award, _name(by, key), _name(ended, ended_by), _name(back), batch)
        for award, by, ended, back, key, ended_by, batch in rows
    ]


def _award_event(row: _Row) -> Event:
    award = row.award
    in_batch = row.batch is not None
    how = Message("awarded.in_batch" if in_batch else f"awarded.{award.source}")
    by, why = row.awarded_by, award.reason_text
    if award.source == AwardSource.RULE and why:
        how, why = message("awarded.earned", why=why), ""
    return Event(EventKind.AWARDED, award, award.awarded_at, by, why, how, row.batch)


def _later(row: _Row) -> Iterator[Event]:
    """Yield what happened to an award after it was made: restored with it, then revoked."""
    award = row.award
    if award.restored_at is not None:
        yield Event(EventKind.RESTORED, award, award.restored_at, row.restored_by)
    if award.revoked_at is not None:
        how = Message(f"revoked.{award.revoke_source}") if award.revoke_source else None
        of_batch = row.batch if award.revoke_source == AwardSource.BATCH else None
        by, why = row.revoked_by, award.revoke_reason
        yield Event(EventKind.REVOKED, award, award.revoked_at, by, why, how, of_batch)


def _name(person: Staff | None, key: ApiKey | None = None) -> str:
    if key:
        return key.title
    return person.display_name if person else ""
