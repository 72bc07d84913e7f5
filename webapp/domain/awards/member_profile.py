"""A member's badges and award history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import bindparam

from webapp.domain.awards import events
from webapp.domain.awards.events import AwardRow, Event, EventKind
from webapp.domain.members import directory
from webapp.domain.pagination import Page, paginate_list
from webapp.messages import Message
from webapp.models import Award, AwardSource, Member


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

    @property
    def stacks(self) -> list[list[Event]]:
        """The awards they hold by badge, in each the highest quest first."""
        stacks: dict[int, list[Event]] = {}
        for event in self.held:
            stacks.setdefault(event.award.quest.badge_id, []).append(event)
        return [
            sorted(stack, key=lambda event: event.award.quest.tier, reverse=True)
            for stack in stacks.values()
        ]

    def revocation(self, award_id: int) -> Award | None:
        """Return the award with this ID if it was revoked and not restored."""
        for event in self.history.items:
            if event.kind == EventKind.REVOKED and event.award.id == award_id:
                return None if award_id in self.restored else event.award
        return None


def load(member_id: int, number: int = 1) -> Profile:
    member = directory.get(member_id)
    rows = events.read(_SELECT_OF_MEMBER, {"member_id": member.id})
    made = [events.award_event(row) for row in rows]
    history = [event for event in made if event.award.restores_id is None]
    history += [event for row in rows for event in _later(row)]
    # At the same time, the later award is the newer event; within an award, its end.
    history.sort(
        key=lambda event: (event.at, event.award.id, event.kind == EventKind.REVOKED), reverse=True
    )
    held = [event for event in made if event.award.revoked_at is None]
    restored = frozenset(row.award.restores_id for row in rows if row.award.restores_id)
    return Profile(member, held, paginate_list(history, number), restored)


_SELECT_OF_MEMBER = events.awards().where(Award.member_id == bindparam("member_id"))


def _later(row: AwardRow) -> Iterator[Event]:
    """Yield what happened to an award after it was made: restored with it, then revoked."""
    award = row.award
    if award.restored_at is not None:
        yield Event(EventKind.RESTORED, award, award.restored_at, row.restored_by)
    if award.revoked_at is not None:
        how = Message(f"revoked.{award.revoke_source}") if award.revoke_source else None
        of_batch = row.batch if award.revoke_source == AwardSource.BATCH else None
        by, why = row.revoked_by, award.revoke_reason
        yield Event(EventKind.REVOKED, award, award.revoked_at, by, why, how, of_batch)
