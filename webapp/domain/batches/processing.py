"""Process a published batch: claim one of its ranges, decide the entries in chunks, release it.

The database holds all state. A worker leases a range under its own name; every chunk is a short transaction that first
renews the lease. A worker that froze and lost its lease therefore changes nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    union_all,
    update,
)

from webapp.database import db, execute_rowcount
from webapp.domain import award_sync, leases
from webapp.domain.batches import award_entries, ranges, runs
from webapp.domain.batches.ranges import ClaimedRange
from webapp.domain.lookup import NO_KEY_UPDATE
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.domain.webhooks import outbox
from webapp.models import Badge, Batch, BatchRange, BatchStatus, Entry, Outcome, Quest, WebhookEvent
from webapp.models.batch import RUNNING, Work

log = logging.getLogger(__name__)

TRIES = 3  # of an entry that the database rejects
CLAIMS = 5  # of a range, without progress


def waiting() -> list[int]:
    """Return running batches with a range that no one holds, oldest first: those to enqueue."""
    free = and_(Batch.status.in_(RUNNING), ranges.has_free())
    return list(db.session.scalars(select(Batch.id).where(free).order_by(Batch.run_at)))


def others_wait(batch_id: int = 0) -> bool:
    """True if another batch is running and no worker is processing it."""
    idle = exists().where(Batch.status.in_(RUNNING), Batch.id != batch_id, ~ranges.is_held())
    return bool(db.session.scalar(select(idle)))


def claim(batch_id: int, owner: str, lease: float, chunk: int, at: datetime) -> ClaimedRange | None:
    """Lease one of a batch's ranges for `lease` seconds; one of several callers gets it, the others another or None.

    `single_step_left` says how many entries must be decided one by one, each after `count_attempt` (usually 0): after a
    claim without progress, the next `chunk` entries, because one of them may crash the process. After five such claims
    in a row the range ends and its undecided entries are marked as errors.
    """
    # The batch first, but without waiting for a range: `drafts.lock` locks them in the other order.
    batch = db.session.get(Batch, batch_id, with_for_update=NO_KEY_UPDATE, populate_existing=True)
    if batch is None or not batch.running:
        return None
    free = and_(BatchRange.batch_id == batch_id, leases.is_free(BatchRange))
    following = select(BatchRange.id).where(free).order_by(BatchRange.failed_claims, BatchRange.id)
    part = leases.acquire(
        BatchRange,
        following.limit(1).with_for_update(skip_locked=True).scalar_subquery(),
        free,
        owner,
        lease,
        failed_claims=BatchRange.failed_claims + 1,
        single_step_left=case(
            (BatchRange.failed_claims > 0, chunk), else_=BatchRange.single_step_left
        ),
    )
    if part is None:
        return None
    batch.status = BatchStatus.IN_PROGRESS
    claimed = ClaimedRange(
        part.id,
        batch.id,
        owner,
        lease,
        batch.work,
        batch.quest_id,
        batch.run_by,
        batch.run_key,
        part.failed_claims,
        part.single_step_left,
        bool(db.session.scalar(select(exists().where(free)))),
    )
    if part.failed_claims > CLAIMS:
        _give_up(claimed, part, at)
        return None
    return claimed


def count_attempt(claimed: ClaimedRange) -> int | None:
    """Count an attempt at the entry with the fewest attempts and return its ID; None if there is none.

    Call it in its own transaction before the attempt, so that the count persists if the entry crashes the process.
    """
    part = leases.renew(BatchRange, claimed.id, claimed.owner, claimed.lease)
    following = select(Entry.id).where(_undecided(claimed, part))
    first = following.order_by(Entry.attempts, Entry.id).limit(1)
    tried = (
        update(Entry)
        .where(Entry.id == first.scalar_subquery())
        .values(attempts=Entry.attempts + 1)
        .returning(Entry.id)
        .execution_options(synchronize_session=False)
    )
    return db.session.scalar(tried)


def process_chunk(
    claimed: ClaimedRange, number: int, at: datetime, only: int | None = None
) -> bool:
    """Decide up to `number` entries, or only the entry `only`; True if there may be more.

    Raises LeaseLostError. Raises DBAPIError and writes nothing if the database rejects the chunk; callers should retry
    with a smaller one. Attempts at a single entry are counted.
    """
    part = leases.renew(BatchRange, claimed.id, claimed.owner, claimed.lease, failed_claims=0)
    chunk = _chunk(claimed, part, number) if only is None else Entry.id == only
    if chunk is None:
        _end(claimed, at)
        return False
    if only is not None:
        part.single_step_left = max(0, part.single_step_left - 1)
    decided = _decide(claimed, chunk, at, only)
    if not decided:  # no progress
        part.failed_claims = claimed.failed_claims
    _count(claimed, decided, at)
    return True


def _undecided(claimed: ClaimedRange, part: BatchRange) -> ColumnElement[bool]:
    return and_(
        Entry.batch_id == part.batch_id,
        ranges.is_open(claimed.work),
        Entry.id.between(part.first_entry_id, part.last_entry_id),
    )


def _chunk(claimed: ClaimedRange, part: BatchRange, number: int) -> ColumnElement[bool] | None:
    """Return a condition for the next `number` entries, those with the fewest attempts first; None if all are decided.

    Ordered by attempts and ID, entries with the same attempts are a range of IDs, so two numbers identify a chunk.
    Entries without attempts are selected apart: the index finds the first one in the range.
    """
    following = select(Entry.attempts, Entry.id).where(_undecided(claimed, part))
    following = following.order_by(Entry.attempts, Entry.id).limit(number)
    new, tried = (
        following.where(condition).subquery()
        for condition in (Entry.attempts == 0, Entry.attempts > 0)
    )
    rows = union_all(select(new), select(tried)).subquery()
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
    claimed: ClaimedRange, chunk: ColumnElement[bool], at: datetime, only: int | None
) -> Counter[Outcome]:
    hopeless = only is not None and _attempts(only) > TRIES
    if hopeless:
        log.error(
            "batch %s: entry %s failed %s times and was skipped", claimed.batch_id, only, TRIES
        )
    lock_shared()
    if claimed.work == Work.UNDO:
        if hopeless:
            return _close(claimed, chunk, Outcome.KEPT, at, "failed")
        decided = award_entries.revoke_chunk(claimed, chunk, at)
        outbox.emit(WebhookEvent.AWARD_REVOKED, decided.awards, at)
        candidates.note_revoked_by_batch_undo(claimed.batch_id, claimed.quest_id, chunk, at)
        return decided.outcomes
    quest = db.session.execute(_QUEST_STATE, {"quest_id": claimed.quest_id})
    quest_open, required, subscribed, shown = quest.one()
    if not quest_open:
        return _close(claimed, chunk, Outcome.ARCHIVED, at)
    if hopeless:
        return _close(claimed, chunk, Outcome.FAILED, at)
    decided = award_entries.award_chunk(claimed, chunk, at)
    outbox.emit(
        WebhookEvent.AWARD_CREATED, decided.awards, at, webhooks=subscribed, communities=shown
    )
    if required:
        candidates.note_awarded_by_batch(claimed.batch_id, claimed.quest_id, chunk, at)
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
    award_sync.is_in_use(),
)
"""Whether a quest can be awarded and a rule requires it, and whether endpoints and communities get awards."""


def _close(
    claimed: ClaimedRange,
    chunk: ColumnElement[bool],
    outcome: Outcome,
    at: datetime,
    detail: str = "",
) -> Counter[Outcome]:
    closed = execute_rowcount(
        update(Entry)
        .where(Entry.batch_id == claimed.batch_id, chunk, ranges.is_open(claimed.work))
        .values(outcome=outcome, reason_detail=detail, decided_at=at)
    )
    return Counter({outcome: closed})


def _count(claimed: ClaimedRange, decided: Counter[Outcome], at: datetime) -> None:
    """Add to the batch's counts: the transaction's last statement, because other workers wait for the row."""
    succeeded = decided[Outcome.AWARDED] + decided[Outcome.ALREADY_HELD]
    unlocks = claimed.work == Work.UNLOCK
    db.session.flush()
    db.session.execute(
        _COUNT,
        {
            "of": claimed.batch_id,
            "succeeded": succeeded if unlocks else 0,
            "held": decided[Outcome.ALREADY_HELD] if unlocks else 0,
            "failed": decided.total() - succeeded if unlocks else 0,
            "decided": decided.total(),
            "at": at,
        },
    )


_COUNT = (
    update(Batch)
    .where(Batch.id == bindparam("of"))
    .values(
        published=Batch.published + bindparam("succeeded"),
        already_held=Batch.already_held + bindparam("held"),
        errors=Batch.errors + bindparam("failed"),
        run_processed=Batch.run_processed + bindparam("decided"),
        updated_at=bindparam("at"),
    )
    .execution_options(synchronize_session=False)
)


def _give_up(claimed: ClaimedRange, part: BatchRange, at: datetime) -> None:
    """End a range; undecided entries become errors, with the last failure as the cause.

    An undo leaves its remaining entries unchanged, because holding a badge is not an error.
    """
    if claimed.work == Work.UNLOCK:
        rest = Entry.id.between(part.first_entry_id, part.last_entry_id)
        _count(claimed, _close(claimed, rest, Outcome.GAVE_UP, at, part.last_error), at)
    _end(claimed, at)


def _end(claimed: ClaimedRange, at: datetime) -> None:
    """End a range, and with the last one the run.

    Of two workers that end at once, the second waits for the first one's lock, and then finds no range.
    """
    db.session.execute(delete(BatchRange).where(BatchRange.id == claimed.id))
    batch = db.session.get_one(
        Batch, claimed.batch_id, with_for_update=NO_KEY_UPDATE, populate_existing=True
    )
    others = exists().where(BatchRange.batch_id == claimed.batch_id)
    if not db.session.scalar(select(others)):
        runs.end(batch, at)
