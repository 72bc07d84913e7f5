"""Process a published batch: claim it, decide its entries in chunks, release it.

The database holds all state. A worker leases a batch under its own name; every chunk is a short transaction that first
renews the lease. A worker that froze and lost its lease therefore changes nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, exists, func, select, update

from webapp.database import db, execute_rowcount
from webapp.domain import leases
from webapp.domain.batches import award_entries, runs
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.domain.webhooks import outbox
from webapp.models import Badge, Batch, BatchStatus, Entry, Outcome, Quest, WebhookEvent
from webapp.models.batch import RUNNING, UNLOCKED, Work

log = logging.getLogger(__name__)

TRIES = 3  # of an entry that the database rejects
CLAIMS = 5  # of a batch, without progress


def waiting() -> list[int]:
    """Return published, unfinished batches without a lease, oldest first: those to enqueue."""
    return list(db.session.scalars(select(Batch.id).where(_claimable()).order_by(Batch.run_at)))


def others_wait(batch_id: int = 0) -> bool:
    return bool(db.session.scalar(select(exists().where(_claimable(), Batch.id != batch_id))))


def claim(batch_id: int, owner: str, lease: float, chunk: int, at: datetime) -> int | None:
    """Lease a waiting batch for `lease` seconds; one of several callers gets it, the others get None.

    Returns how many entries must be decided one by one, each after `count_attempt` (usually 0): after a claim without
    progress, the next `chunk` entries, because one of them may crash the process. After five such claims in a row the
    batch ends and its undecided entries are marked as errors.
    """
    batch = leases.acquire(
        Batch,
        batch_id,
        _claimable(),
        owner,
        lease,
        status=BatchStatus.IN_PROGRESS,
        failed_claims=Batch.failed_claims + 1,
        single_step_left=case((Batch.failed_claims > 0, chunk), else_=Batch.single_step_left),
    )
    if batch is None:
        return None
    if batch.failed_claims > CLAIMS:
        _give_up(batch, at)
        return None
    return batch.single_step_left


def count_attempt(batch_id: int, owner: str, lease: float) -> int | None:
    """Count an attempt at the entry with the fewest attempts and return its ID; None if there is none.

    Call it in its own transaction before the attempt, so that the count persists if the entry crashes the process.
    """
    batch = leases.renew(Batch, batch_id, owner, lease)
    following = _undecided(batch).order_by(Entry.attempts, Entry.id).limit(1)
    tried = (
        update(Entry)
        .where(Entry.id == following.scalar_subquery())
        .values(attempts=Entry.attempts + 1)
        .returning(Entry.id)
        .execution_options(synchronize_session=False)
    )
    return db.session.scalar(tried)


def process_chunk(
    batch_id: int, owner: str, lease: float, number: int, at: datetime, only: int | None = None
) -> bool:
    """Decide up to `number` entries, or only the entry `only`; True if there may be more.

    Raises LeaseLostError. Raises DBAPIError and writes nothing if the database rejects the chunk; callers should retry
    with a smaller one. Attempts at a single entry are counted.
    """
    batch = leases.renew(Batch, batch_id, owner, lease)
    chunk = _chunk(batch, number) if only is None else Entry.id == only
    if chunk is None:
        runs.end(batch, at)
        return False
    if only is not None:
        batch.single_step_left = max(0, batch.single_step_left - 1)
    _count(batch, _decide(batch, chunk, at, only), at)
    return True


def _claimable() -> ColumnElement[bool]:
    return and_(Batch.status.in_(RUNNING), leases.is_free(Batch))


def _undecided(batch: Batch) -> Select[int]:
    """Select the entries that the run has not processed; for an undo, those still as awarded."""
    return select(Entry.id).where(
        Entry.batch_id == batch.id, _open(batch), Entry.id <= batch.run_up_to_entry_id
    )


def _open(batch: Batch) -> ColumnElement[bool]:
    return Entry.outcome.in_(UNLOCKED) if batch.work == Work.UNDO else Entry.outcome.is_(None)


def _chunk(batch: Batch, number: int) -> ColumnElement[bool] | None:
    """Return a condition for the next `number` entries, those with the fewest attempts first; None if all are decided.

    Ordered by attempts and ID, entries with the same attempts are a range of IDs, so two numbers identify a chunk.
    """
    following = _undecided(batch).add_columns(Entry.attempts).order_by(Entry.attempts, Entry.id)
    rows = following.limit(number).subquery()
    first = db.session.execute(
        select(rows.c.attempts, func.min(rows.c.id), func.max(rows.c.id))
        .group_by(rows.c.attempts)
        .order_by(rows.c.attempts)
        .limit(1)
    ).first()
    if first is None:
        return None
    attempts, low, high = first
    return and_(Entry.attempts == attempts, Entry.id.between(low, high))


def _decide(
    batch: Batch, chunk: ColumnElement[bool], at: datetime, only: int | None
) -> Counter[Outcome]:
    hopeless = only is not None and _attempts(only) > TRIES
    if hopeless:
        log.error("batch %s: entry %s failed %s times and was skipped", batch.id, only, TRIES)
    lock_shared()
    if batch.work == Work.UNDO:
        if hopeless:
            return _close(batch, chunk, Outcome.KEPT, at, "failed")
        decided = award_entries.revoke_chunk(batch, chunk, at)
        outbox.emit(WebhookEvent.AWARD_REVOKED, decided.awards, at)
        candidates.note_revoked_by_batch_undo(batch, chunk, at)
        return decided.outcomes
    quest = db.session.execute(_QUEST_STATE, {"quest_id": batch.quest_id})
    quest_open, required, subscribed = quest.one()
    if not quest_open:
        return _close(batch, chunk, Outcome.ARCHIVED, at)
    if hopeless:
        return _close(batch, chunk, Outcome.FAILED, at)
    decided = award_entries.award_chunk(batch, chunk, at)
    outbox.emit(WebhookEvent.AWARD_CREATED, decided.awards, at, webhooks=subscribed)
    if required:
        candidates.note_awarded_by_batch(batch, chunk, at)
    return decided.outcomes


def _attempts(entry_id: int) -> int:
    return db.session.scalar(select(Entry.attempts).where(Entry.id == entry_id)) or 0


_QUEST_STATE = select(
    select(Quest.id)
    .join(Badge)
    .where(
        Quest.id == bindparam("quest_id"),
        Quest.archived_at.is_(None),
        Badge.archived_at.is_(None),
    )
    .exists(),
    candidates.is_required(bindparam("quest_id")),
    outbox.has_subscribers(WebhookEvent.AWARD_CREATED),
)
"""Whether a quest can be awarded, a rule requires it, and an endpoint is subscribed to awards."""


def _close(
    batch: Batch, chunk: ColumnElement[bool], outcome: Outcome, at: datetime, detail: str = ""
) -> Counter[Outcome]:
    closed = execute_rowcount(
        update(Entry)
        .where(Entry.batch_id == batch.id, chunk, _open(batch))
        .values(outcome=outcome, reason_detail=detail, decided_at=at)
    )
    return Counter({outcome: closed})


def _count(batch: Batch, decided: Counter[Outcome], at: datetime) -> None:
    if batch.work == Work.UNLOCK:
        succeeded = decided[Outcome.AWARDED] + decided[Outcome.ALREADY_HELD]
        batch.published += succeeded
        batch.already_held += decided[Outcome.ALREADY_HELD]
        batch.errors += decided.total() - succeeded
    batch.run_processed += decided.total()
    batch.updated_at = at
    if decided:
        batch.failed_claims = 0


def _give_up(batch: Batch, at: datetime) -> None:
    """End a run; undecided entries become errors, with the last failure as the cause.

    An undo leaves its remaining entries unchanged, because holding a badge is not an error.
    """
    if batch.work == Work.UNLOCK:
        rest = Entry.id <= batch.run_up_to_entry_id
        _count(batch, _close(batch, rest, Outcome.GAVE_UP, at, batch.last_error), at)
    runs.end(batch, at)
