"""Awarding and revoking the entries of a batch, many at once."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, select, update

from webapp.database import db
from webapp.domain.awards.insert import insert_awards
from webapp.models import Award, AwardSource, Batch, Entry, Member, MemberStatus, Outcome
from webapp.models.batch import UNLOCKED


def award_chunk(batch: Batch, chunk: ColumnElement[bool], at: datetime) -> Counter[Outcome]:
    """Decides the undecided entries that `chunk` selects at once: an award for each active member who lacks the quest.

    Two statements whatever their number; the unique index decides who already holds it. Entries decided before are
    left as they are. Returns how many came to which outcome.
    """
    ours = and_(Entry.batch_id == batch.id, chunk, Entry.outcome.is_(None))
    active = (
        select(Entry.member_id)
        .join(Member, Member.id == Entry.member_id)
        .where(ours, Member.status == MemberStatus.ACTIVE)
    )
    db.session.execute(
        insert_awards(
            active,
            quest_id=batch.quest_id,
            batch_id=batch.id,
            source=AwardSource.BATCH,
            awarded_at=at,
            awarded_by=batch.run_by,
            awarded_key=batch.run_key,
        )
    )
    standing = (
        select(func.coalesce(Award.batch_id, 0))
        .where(
            Award.member_id == Entry.member_id,
            # `+ 0` keeps PostgreSQL from looking through all awards of this quest for each entry, as it may while
            # its statistics don't know of the batch's own: by the member there are few.
            Award.quest_id + 0 == batch.quest_id,
            Award.revoked_at.is_(None),
        )
        .correlate(Entry)
        .scalar_subquery()
    )
    status = (
        select(Member.status).where(Member.id == Entry.member_id).correlate(Entry).scalar_subquery()
    )
    decided = db.session.execute(
        update(Entry)
        .where(ours)
        .values(
            outcome=case(
                (standing == batch.id, literal(Outcome.AWARDED)),
                (standing.is_not(None), literal(Outcome.ALREADY_HELD)),
                # An active member without an award: it was revoked this very moment; the next chunk decides.
                else_=func.nullif(status, MemberStatus.ACTIVE),
            ),
            decided_at=at,
        )
        .returning(Entry.outcome)
        .execution_options(synchronize_session=False)
    )
    return Counter(Outcome(outcome) for outcome in decided.scalars() if outcome)


def revoke_chunk(batch: Batch, chunk: ColumnElement[bool], at: datetime) -> Counter[Outcome]:
    """Revoke the awards that a batch made for a chunk of entries and that are still active (B-38).

    Uses two statements regardless of the chunk size, and is idempotent. The outcome of each entry:

    - `REVOKED_BY_UNDO`: the batch's award was active, including one that was revoked and restored since, and one of an
      erased member.
    - `KEPT`: the member holds the quest by another award, older than the batch or given again since.
    - `NOT_HELD`: someone revoked the award before the undo.
    """
    ours = and_(Entry.batch_id == batch.id, chunk, Entry.outcome.in_(UNLOCKED))
    members = select(Entry.member_id).where(ours)
    db.session.execute(
        update(Award)
        .where(Award.batch_id == batch.id, Award.revoked_at.is_(None), Award.member_id.in_(members))
        .values(
            revoked_at=at,
            revoked_by=batch.run_by,
            revoked_key=batch.run_key,
            revoke_source=AwardSource.BATCH,
        )
        .execution_options(synchronize_session=False)
    )
    taken = exists().where(
        Award.batch_id == batch.id,
        Award.member_id == Entry.member_id,
        Award.revoked_at == at,
        Award.revoke_source == AwardSource.BATCH,
    )
    holds = exists().where(
        Award.member_id == Entry.member_id,
        Award.quest_id + 0 == batch.quest_id,  # as above
        Award.revoked_at.is_(None),
    )
    decided = db.session.execute(
        update(Entry)
        .where(ours)
        .values(
            outcome=case(
                (taken, literal(Outcome.REVOKED_BY_UNDO)),
                (holds, literal(Outcome.KEPT)),
                else_=literal(Outcome.NOT_HELD),
            ),
            reason_detail=case(
                (taken, literal("")),
                (~holds, literal("(revoked since)")),
                (Entry.outcome == Outcome.ALREADY_HELD, literal("(held before this batch)")),
                else_=literal("(awarded again since)"),
            ),
            decided_at=at,
        )
        .returning(Entry.outcome)
        .execution_options(synchronize_session=False)
    )
    return Counter(Outcome(outcome) for outcome in decided.scalars() if outcome)
