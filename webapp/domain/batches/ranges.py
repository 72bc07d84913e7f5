"""Ranges: the entries of a run, divided so that several workers can process one batch (docs/adr/0039).

Locks are taken in one order: a range, its entries, the awards and their badge, the batch. So a worker never
waits for someone who waits for it. An undo takes the awards before the entries, which is safe because only the
holder of the range takes its entries.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, exists, func, insert, literal, select

from webapp.database import db, dialect_name
from webapp.domain import leases
from webapp.models import Batch, BatchRange, Entry
from webapp.models.batch import UNLOCKED, Work

SIZE = 5_000  # entries; a batch of the default limit is one range
MOST = 64  # ranges of a run


@dataclass(frozen=True)
class ClaimedRange:
    """A leased range, and what the batch's run says: that doesn't change while the lease is held."""

    id: int
    batch_id: int
    owner: str
    lease: float
    work: Work
    quest_id: int | None
    run_by: int | None
    run_key: int | None
    failed_claims: int
    single_step_left: int
    shared: bool
    """True if the batch has other ranges that no one holds."""


def divide(batch: Batch, number: int) -> int:
    """Create the ranges of a run over `number` entries, of equal size; return the last entry's ID, 0 without entries.

    SQLite has one writer at a time, so a second worker would only wait.
    """
    count = min(MOST, max(1, number // SIZE)) if dialect_name() == "postgresql" else 1
    part = func.ntile(count).over(order_by=Entry.id).label("part")
    open_entries = (
        select(Entry.id, part).where(Entry.batch_id == batch.id, is_open(batch.work)).subquery()
    )
    first, last = func.min(open_entries.c.id), func.max(open_entries.c.id)
    rows = select(literal(batch.id), first, last).group_by(open_entries.c.part).order_by(first)
    created = insert(BatchRange).from_select(
        ["batch_id", "first_entry_id", "last_entry_id"], rows, include_defaults=False
    )
    return max(db.session.scalars(created.returning(BatchRange.last_entry_id)), default=0)


def lock(*conditions: ColumnElement[bool]) -> None:
    """Wait for chunks in progress, and let no other begin until the end of the transaction.

    Call it before locking a batch.
    """
    if dialect_name() == "postgresql":
        query = select(BatchRange.id).where(*conditions).order_by(BatchRange.id)
        db.session.execute(query.with_for_update())


def is_open(work: Work) -> ColumnElement[bool]:
    """True for entries that a run has not processed; for an undo, those still as awarded."""
    return Entry.outcome.in_(UNLOCKED) if work == Work.UNDO else Entry.outcome.is_(None)


def is_held() -> ColumnElement[bool]:
    """True for batches that a worker is processing."""
    return exists().where(BatchRange.batch_id == Batch.id, ~leases.is_free(BatchRange))


def has_free() -> ColumnElement[bool]:
    """True for batches with a range that a worker can take."""
    return exists().where(BatchRange.batch_id == Batch.id, leases.is_free(BatchRange))


def has_failed(claims: int) -> ColumnElement[bool]:
    """True for batches with a range that was claimed more than `claims` times without progress."""
    return exists().where(BatchRange.batch_id == Batch.id, BatchRange.failed_claims > claims)


def last_error() -> ColumnElement[str]:
    """Return a batch's last error, "" without one."""
    errors: Select[str] = select(func.coalesce(func.max(BatchRange.last_error), ""))
    return errors.where(BatchRange.batch_id == Batch.id).scalar_subquery()
