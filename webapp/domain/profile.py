"""What a member holds, and how it came: the profile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import aliased, contains_eager

from webapp.database import db
from webapp.domain import directory
from webapp.domain.paging import Page, slice_of
from webapp.models import Award, Batch, Member, Quest, Staff

WAYS = {
    "profile": "on the profile",
    "group": "in a group award",
    "batch": "in a batch",
    "api": "through the API",
    "rule": "by a rule",
}


@dataclass(frozen=True)
class Event:
    """An award that was made, or taken back; `by` is a name, or "" where no person did it."""

    award: Award
    at: datetime
    revoked: bool
    by: str
    reason: str
    batch: str  # the name of the batch, or ""

    @property
    def way(self) -> str:
        """How it came, to go on a sentence."""
        if self.revoked:
            return ""
        return f"in the batch “{self.batch}”" if self.batch else WAYS[self.award.way]


@dataclass(frozen=True)
class Profile:
    """A member, the awards they hold, and a page of what happened to all of them, newest first."""

    member: Member
    held: list[Event]
    history: Page[Event]


def of(member_id: int, number: int = 1) -> Profile:
    """The profile of a member, with the given page of the history; two queries. Raises NotFound."""
    member = directory.get(member_id)
    made, revoked = _events(member_id)
    history = sorted(made + revoked, key=lambda event: (event.at, event.award.id), reverse=True)
    held = [event for event in made if event.award.revoked_at is None]
    return Profile(member, held, slice_of(history, number))


def _events(member_id: int) -> tuple[list[Event], list[Event]]:
    awarder, revoker = aliased(Staff), aliased(Staff)
    rows = db.session.execute(
        select(Award, awarder, revoker, Batch.name)
        .join(Award.quest)
        .join(Quest.badge)
        .outerjoin(awarder, awarder.id == Award.awarded_by)
        .outerjoin(revoker, revoker.id == Award.revoked_by)
        .outerjoin(Batch, Batch.id == Award.batch_id)
        .options(contains_eager(Award.quest).contains_eager(Quest.badge))
        .where(Award.member_id == member_id)
        .order_by(Award.awarded_at.desc(), Award.id.desc())
    ).all()
    made = [
        Event(award, award.awarded_at, False, _name(by), award.reason, batch or "")
        for award, by, _, batch in rows
    ]
    revoked = [
        Event(award, award.revoked_at, True, _name(by), award.revoke_reason, "")
        for award, _, by, _ in rows
        if award.revoked_at is not None
    ]
    return made, revoked


def _name(person: Staff | None) -> str:
    return person.display_name if person else ""
