"""Carrying out a published batch: claim it, decide its entries chunk by chunk, hand it back.

The database is the truth. A worker holds a batch by a lease with its own name on it; every chunk is one short
transaction that first renews the lease, so a worker that was frozen and overtaken finds it gone and changes nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, or_, select, update
from sqlalchemy.exc import DBAPIError, OperationalError

from webapp.database import among, changed_rows, db, from_now
from webapp.domain import awards
from webapp.models import Badge, Batch, BatchStatus, Entry, Outcome, Quest
from webapp.models.batch import RUNNING, SUCCESSES

log = logging.getLogger(__name__)

TRIES = 3  # of an entry that the database refuses
CLAIMS = 5  # of a batch, without progress


def waiting() -> list[int]:
    """Batches that are published, unfinished and in nobody's hands: the ones to ring for. Oldest first."""
    return list(
        db.session.scalars(select(Batch.id).where(_claimable()).order_by(Batch.published_at))
    )


def others_wait(batch_id: int) -> bool:
    """Whether another batch wants its turn."""
    return bool(db.session.scalar(select(exists().where(_claimable(), Batch.id != batch_id))))


def claim(batch_id: int, owner: str, lease: float, chunk: int, at: datetime) -> int | None:
    """Takes a waiting batch for `lease` seconds; None: not ours. Of many callers one gets it.

    Returns how many entries must go one by one, each after a `mark_try` (usually 0).

    After a claim that got nowhere, the next `chunk` entries are decided one by one: one of them may be what kills the
    process. After five such claims in a row the batch is ended, its undecided entries in error.
    """
    claim_it = (
        update(Batch)
        .where(Batch.id == batch_id, _claimable())
        .values(
            status=BatchStatus.IN_PROGRESS,
            lease_owner=owner,
            lease_until=from_now(lease),
            fruitless=Batch.fruitless + 1,
            careful=case((Batch.fruitless > 0, chunk), else_=Batch.careful),
        )
    )
    if not changed_rows(claim_it):
        return None
    batch = db.session.get_one(Batch, batch_id, populate_existing=True)
    if batch.fruitless > CLAIMS:
        _end_in_error(batch, Outcome.GAVE_UP, at)
        return None
    return batch.careful


def mark_try(batch_id: int, owner: str, lease: float) -> int | None:
    """Where entries go one by one: counts a try of the least tried entry, and returns its id; None if there is none.

    Its own transaction, before the try: so the count still stands when the entry kills the process.
    """
    batch = _hold(batch_id, owner, lease)
    if batch is None:
        return None
    for entry in db.session.scalars(_next(batch, 1)):
        entry.attempts += 1
        return entry.id
    return None


def unlock_some(
    batch_id: int, owner: str, lease: float, chunk: int, at: datetime, only: int | None = None
) -> bool | None:
    """Decides up to `chunk` entries, or `only` one; True: there may be more, False: finished, None: lease lost."""
    batch = _hold(batch_id, owner, lease)
    if batch is None:
        return None
    following = _next(batch, chunk) if only is None else _next(batch, 1).where(Entry.id == only)
    entries = list(db.session.scalars(following))
    if not entries:
        _finish(batch, at)
        return False
    hopeless = only is not None and entries[0].attempts > TRIES
    decided = _fail(entries, Outcome.FAILED, at) if hopeless else _decide(batch, entries, at)
    if only is not None:
        batch.careful = max(0, batch.careful - 1)
    _count(batch, decided, at)
    return True


def release(batch_id: int, owner: str) -> None:
    """Hands a batch back, so that any worker may go on with it at once; harmless when the lease is lost."""
    _update_mine(batch_id, owner, lease_owner=None, lease_until=None)


def note_trouble(batch_id: int, owner: str, trouble: str) -> None:
    """Keeps what went wrong, for the case that the batch never gets further; the lease runs out by itself."""
    _update_mine(batch_id, owner, trouble=trouble[:500])


def _update_mine(batch_id: int, owner: str, **values: Any) -> bool:
    mine = Batch.id == batch_id, Batch.lease_owner == owner
    return bool(changed_rows(update(Batch).where(*mine).values(**values)))


def _claimable() -> ColumnElement[bool]:
    free = or_(Batch.lease_until.is_(None), Batch.lease_until < from_now())
    return and_(Batch.status.in_(RUNNING), free)


def _hold(batch_id: int, owner: str, lease: float) -> Batch | None:
    """Renews the lease and, by that, locks the batch's row until the end of the transaction."""
    if not _update_mine(batch_id, owner, lease_until=from_now(lease)):
        return None
    return db.session.get_one(Batch, batch_id, populate_existing=True)


def _next(batch: Batch, number: int) -> Select[Entry]:
    return (
        select(Entry)
        .where(Entry.batch_id == batch.id, Entry.outcome.is_(None), Entry.id <= batch.run_through)
        .order_by(Entry.attempts, Entry.id)
        .limit(number)
    )


def _decide(batch: Batch, entries: list[Entry], at: datetime) -> Counter[Outcome]:
    if not _quest_open(batch):
        return _fail(entries, Outcome.ARCHIVED, at)
    try:
        with db.session.begin_nested():
            return awards.award_entries(batch, [entry.id for entry in entries], at)
    except OperationalError:
        raise  # the database itself is in trouble, not an entry: the slice ends, the clock rings again
    except DBAPIError as problem:
        log.warning(
            "batch %s: a chunk of %s was refused, going singly: %s",
            batch.id,
            len(entries),
            problem.orig,
        )
    decided: Counter[Outcome] = Counter()
    for entry in entries:
        decided += _try(batch, entry, at)
    return decided


def _try(batch: Batch, entry: Entry, at: datetime) -> Counter[Outcome]:
    """Decides one entry; one that the database refuses keeps its place until the third time."""
    try:
        with db.session.begin_nested():
            return awards.award_entries(batch, [entry.id], at)
    except OperationalError:
        raise
    except DBAPIError as problem:
        entry.attempts += 1
        if entry.attempts < TRIES:
            return Counter()
        log.error(
            "batch %s: entry %s was refused three times: %s", batch.id, entry.id, problem.orig
        )
        return _fail([entry], Outcome.FAILED, at)


def _quest_open(batch: Batch) -> bool:
    open_ = (
        select(Quest.id).join(Badge).where(Quest.archived_at.is_(None), Badge.archived_at.is_(None))
    )
    return bool(db.session.scalar(select(open_.where(Quest.id == batch.quest_id).exists())))


def _fail(entries: list[Entry], outcome: Outcome, at: datetime) -> Counter[Outcome]:
    db.session.execute(
        update(Entry)
        .where(among(Entry.id, [entry.id for entry in entries]), Entry.outcome.is_(None))
        .values(outcome=outcome, decided_at=at)
        .execution_options(synchronize_session=False)
    )
    return Counter({outcome: len(entries)})


def _count(batch: Batch, decided: Counter[Outcome], at: datetime) -> None:
    succeeded = sum(decided[outcome] for outcome in SUCCESSES)
    batch.published += succeeded
    batch.already_held += decided[Outcome.ALREADY_HELD]
    batch.errors += decided.total() - succeeded
    batch.run_processed += decided.total()
    batch.updated_at = at
    if decided:
        batch.fruitless = 0


def _finish(batch: Batch, at: datetime) -> None:
    batch.status = BatchStatus.PARTIALLY_PUBLISHED if batch.errors else BatchStatus.PUBLISHED
    batch.lease_owner = batch.lease_until = None
    batch.fruitless = batch.careful = 0
    batch.trouble = ""
    batch.updated_at = at


def _end_in_error(batch: Batch, outcome: Outcome, at: datetime) -> None:
    """Ends a run at once: whatever is undecided in it is in error, with what went wrong last as the cause."""
    ended = db.session.execute(
        update(Entry)
        .where(Entry.batch_id == batch.id, Entry.outcome.is_(None), Entry.id <= batch.run_through)
        .values(outcome=outcome, cause=batch.trouble, decided_at=at)
        .returning(Entry.id)
        .execution_options(synchronize_session=False)
    )
    _count(batch, Counter({outcome: len(ended.all())}), at)
    _finish(batch, at)
