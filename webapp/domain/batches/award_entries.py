"""Bulk awards and revocations for the entries of a batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, exists, func, literal, select, update

from webapp.database import UtcDateTime, db
from webapp.domain.award_insert import in_id_order, insert_awards
from webapp.domain.batches.ranges import ClaimedRange
from webapp.models import Award, AwardSource, Entry, Member, MemberStatus, Outcome
from webapp.models.batch import UNLOCKED


@dataclass(frozen=True)
class Decided:
    """The number of entries by outcome, and the IDs of the awards that were made or revoked."""

    outcomes: Counter[Outcome]
    awards: list[int] = field(default_factory=list)


def award_chunk(batch: ClaimedRange, chunk: ColumnElement[bool], at: datetime) -> Decided:
    """Process the undecided entries in `chunk`: award each active member who lacks the quest.

    Two statements regardless of the chunk size. Decided entries don't change. The awards come last, because their
    insert locks the badge, for its number of holders, until the commit.
    """
    entries = and_(Entry.batch_id == batch.batch_id, chunk, Entry.outcome.is_(None))
    outcomes = _decide(entries, outcome=_outcome(batch, Outcome.AWARDED), decided_at=at)
    if not outcomes[Outcome.AWARDED]:
        return Decided(outcomes)
    awarded = and_(
        Entry.batch_id == batch.batch_id,
        chunk,
        Entry.outcome == Outcome.AWARDED,
        Entry.decided_at == literal(at, UtcDateTime),
    )
    active = (
        select(Entry.member_id)
        .join(Member, Member.id == Entry.member_id)
        .where(awarded, Member.status == MemberStatus.ACTIVE)
        .order_by(in_id_order(Entry.member_id))
    )
    new = insert_awards(
        active,
        quest_id=batch.quest_id,
        batch_id=batch.batch_id,
        source=AwardSource.BATCH,
        awarded_at=at,
        updated_at=at,
        awarded_by=batch.run_by,
        awarded_key=batch.run_key,
    )
    made = sorted(db.session.scalars(new.returning(Award.id)))
    if len(made) < outcomes.pop(Outcome.AWARDED):
        # Something changed between the two statements. If an award was also revoked since, the next chunk decides.
        outcomes += _decide(awarded, outcome=_outcome(batch, None), decided_at=at)
    else:
        outcomes[Outcome.AWARDED] = len(made)
    return Decided(outcomes, made)


def _outcome(batch: ClaimedRange, can_receive: Outcome | None) -> ColumnElement[Any]:
    """Return an entry's outcome; `can_receive` for an active member who lacks the quest.

    Written so that each subquery runs once.
    """
    by_hand, none = 0, -1  # in place of the ID of a batch
    batch_id = func.coalesce(Award.batch_id, by_hand)
    held = select(batch_id).where(Award.is_active(Entry.member_id, batch.quest_id))
    status = select(Member.status).where(Member.id == Entry.member_id)
    held_by, member_status = (query.correlate(Entry).scalar_subquery() for query in (held, status))
    lacking = case(
        {MemberStatus.ACTIVE: literal(can_receive, String)},
        value=member_status,
        else_=member_status,
    )
    return case(
        {batch.batch_id: literal(Outcome.AWARDED), none: lacking},
        value=func.coalesce(held_by, none),
        else_=literal(Outcome.ALREADY_HELD),
    )


def revoke_chunk(batch: ClaimedRange, chunk: ColumnElement[bool], at: datetime) -> Decided:
    """Revoke the active awards that a batch made for a chunk of entries (B-38).

    Two statements regardless of the chunk size. Idempotent. Outcomes:

    - `REVOKED_BY_UNDO`: the batch's award was active, including restored awards and those of erased members.
    - `KEPT`: the member holds the quest by another award, older than the batch or made again since.
    - `NOT_HELD`: someone revoked the award before the undo.
    """
    entries = and_(Entry.batch_id == batch.batch_id, chunk, Entry.outcome.in_(UNLOCKED))
    members = select(Entry.member_id).where(entries)
    revoked = db.session.scalars(
        update(Award)
        .where(
            Award.batch_id == batch.batch_id,
            Award.revoked_at.is_(None),
            Award.member_id.in_(members),
        )
        .values(
            revoked_at=at,
            updated_at=at,
            revoked_by=batch.run_by,
            revoked_key=batch.run_key,
            revoke_source=AwardSource.BATCH,
        )
        .returning(Award.id)
        .execution_options(synchronize_session=False)
    ).all()
    taken = exists().where(
        Award.batch_id == batch.batch_id,
        Award.member_id == Entry.member_id,
        Award.revoked_at == at,
        Award.revoke_source == AwardSource.BATCH,
    )
    holds = exists().where(Award.is_active(Entry.member_id, batch.quest_id))
    outcome = case(
        (taken, literal(Outcome.REVOKED_BY_UNDO)),
        (holds, literal(Outcome.KEPT)),
        else_=literal(Outcome.NOT_HELD),
    )
    detail = case(
        (taken, literal("")),
        (~holds, literal("revoked")),
        (Entry.outcome == Outcome.ALREADY_HELD, literal("before")),
        else_=literal("again"),
    )
    outcomes = _decide(entries, outcome=outcome, reason_detail=detail, decided_at=at)
    return Decided(outcomes, sorted(revoked))


def _decide(entries: ColumnElement[bool], **values: object) -> Counter[Outcome]:
    decided = db.session.execute(
        update(Entry)
        .where(entries)
        .values(**values)
        .returning(Entry.outcome)
        .execution_options(synchronize_session=False)
    )
    return Counter(Outcome(outcome) for outcome in decided.scalars() if outcome)
