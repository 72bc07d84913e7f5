"""Revoke many badges at once, each with its own reason, by the award's ID or by quest and member (A-10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Text, select, update

from webapp.database import LARGEST_ID, Id, db
from webapp.database.arrays import in_array, json_rows
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.awards.bulk import (
    COLUMNS,
    Existing,
    Outcome,
    Pair,
    Status,
    Wanted,
    awards_of,
    count,
    members_of,
    read_awards,
    require_member,
    time_after_changes,
)
from webapp.domain.awards.common import validate_reason
from webapp.domain.badges import quests as badge_quests
from webapp.domain.csv_files import Row
from webapp.domain.csv_files.rows import row_of
from webapp.domain.errors import DomainError
from webapp.domain.members import identify as member_identify
from webapp.domain.members.identify import MatchedRow
from webapp.domain.webhooks import outbox
from webapp.models import Award, AwardSource, Member, Quest, WebhookEvent

NOBODY = row_of(0, {}, [])


class RevocationItem(NamedTuple):
    """The award with this ID; or, without one, the award of a quest to a member."""

    award_id: int | None = None
    quest_id: int | None = None
    member: Row | None = None
    reason: str = ""


def revoke(items: Sequence[RevocationItem], actor: Actor) -> list[Outcome]:
    """Revoke awards for another system, as one action; return the result for each, in order. Idempotent.

    Awards that are revoked already don't change. Works for archived badges and inactive members too.
    """
    outcomes, wanted = _check(items)
    for award, one in wanted.values():
        one.settle(Status.ALREADY_REVOKED, award.id)
    active = {award.id: one for award, one in wanted.values() if award.revoked_at is None}
    if active:
        at = time_after_changes([award for award, _ in wanted.values()], actor)
        _revoke(dict(sorted(active.items())), at, actor)
    counts = count(outcomes)
    if counts[Status.REVOKED]:
        audit_log.write(
            actor,
            "bulk.revoked",
            "awards",
            revoked=counts[Status.REVOKED],
            gone=counts[Status.ALREADY_REVOKED],
            left_out=counts[Status.NOT_HELD] + counts[Status.ERROR],
        )
    return outcomes


def _check(
    items: Sequence[RevocationItem],
) -> tuple[list[Outcome], dict[int, tuple[Existing, Wanted]]]:
    """Check each item and lock its member; return their outcomes, errors at first, and the valid ones by award."""
    found = _find(items)
    outcomes, wanted = [], dict[int, tuple[Existing, Wanted]]()
    for place, item in enumerate(items):
        outcomes.append(outcome := Outcome())
        with outcome.collecting():
            found.require_subject(item)
        with outcome.collecting():
            outcome.member = found.member(place, item)
        with outcome.collecting():
            reason = validate_reason(item.reason)
        if outcome.problems:
            continue
        award = found.award(item, outcome.member)
        if award is None:
            outcome.status = Status.NOT_HELD
        elif award.id in wanted:
            wanted[award.id][1].later.append(outcome)
        else:
            wanted[award.id] = award, Wanted(outcome, reason)
    return outcomes, wanted


@dataclass(frozen=True)
class _Found:
    """What the items are about: rows by the items' places, members and quests by ID, awards by ID and by pair."""

    lines: dict[int, MatchedRow]
    members: dict[int, Member]
    quests: dict[int, Quest]
    by_id: dict[int, Existing]
    by_pair: dict[Pair, Existing]

    def require_subject(self, item: RevocationItem) -> None:
        """Raise DomainError if the item's award or quest doesn't exist, or if the award's member was erased."""
        award = self.by_id.get(item.award_id or 0)
        if item.award_id is None and item.quest_id not in self.quests:
            raise DomainError("common.badge_not_found", "quest")
        if item.award_id is not None and (award is None or award.member_id not in self.members):
            raise DomainError("common.award_not_found", "award")

    def member(self, place: int, item: RevocationItem) -> Member | None:
        """Return an item's member, None if there is no award. Raises DomainError if the named one isn't found."""
        if item.award_id is None:
            return require_member(self.lines[place], self.members)
        award = self.by_id.get(item.award_id)
        return self.members.get(award.member_id) if award else None

    def award(self, item: RevocationItem, member: Member | None) -> Existing | None:
        """Return the award of a valid item; None if the member never had it."""
        if item.award_id is not None:
            return self.by_id[item.award_id]
        return self.by_pair.get((member.id, item.quest_id or 0)) if member else None


def _find(items: Sequence[RevocationItem]) -> _Found:
    ids = {min(item.award_id, LARGEST_ID) for item in items if item.award_id is not None}
    named = read_awards(select(*COLUMNS).where(in_array(Award.id, sorted(ids))))
    places = [place for place, item in enumerate(items) if item.award_id is None]
    rows = [items[place].member or NOBODY for place in places]
    lines = dict(zip(places, member_identify.identify(rows), strict=True))
    members = members_of(lines.values(), (award.member_id for award in named))
    quests = badge_quests.by_id({item.quest_id for item in items if item.quest_id is not None})
    pairs = {
        (line.member_id, items[place].quest_id or 0)
        for place, line in lines.items()
        if line.member_id is not None
    }
    # The last one, if none is active.
    awards = sorted(awards_of(pairs), key=lambda award: (award.revoked_at is None, award.id))
    return _Found(
        lines,
        members,
        quests,
        {award.id: award for award in named},
        {award.pair: award for award in awards},
    )


def _revoke(active: Mapping[int, Wanted], at: datetime, actor: Actor) -> None:
    """Revoke awards that are still active; two statements."""
    rows = [{"id": award_id, "reason": one.reason} for award_id, one in active.items()]
    listed = json_rows(rows, id=Id, reason=Text()).c
    revoked = db.session.scalars(
        update(Award)
        .where(Award.id == listed.id, Award.revoked_at.is_(None))
        .values(
            revoked_at=at,
            updated_at=at,
            revoked_by=actor.staff_id,
            revoked_key=actor.key_id,
            revoke_source=AwardSource.API,
            revoke_reason=listed.reason,
        )
        .returning(Award.id)
        .execution_options(synchronize_session=False)
    ).all()
    for award_id in revoked:
        active[award_id].settle(Status.REVOKED, award_id)
    outbox.emit(WebhookEvent.AWARD_REVOKED, sorted(revoked), at)
