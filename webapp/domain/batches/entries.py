"""The entries of a batch for its page: filtered by status, searched, paginated."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import contains_eager

from webapp.database import db
from webapp.domain.errors import DomainError
from webapp.domain.keyset_pagination import KeysetPage
from webapp.domain.members.text_search import begins_with, prefixes
from webapp.domain.pagination import Page, paginate
from webapp.models import Batch, BatchStatus, Entry
from webapp.models.batch import SUCCESSES, Work

FEW = 1_000  # entries that are sorted quickly


def page(batch: Batch, number: int = 1, status: str | None = None, search: str = "") -> Page[Entry]:
    """Return a page of entries with their members, newest first; two queries.

    `status` is an entry's status or None for all; `search` is the start of a username, ID or email, "" for all.
    """
    query = _newest_first(batch, status)
    if search.strip():
        query = query.where(or_(*(begins_with(*prefix) for prefix in prefixes(search))))
    return paginate(query, number)


def after(
    batch: Batch, last: int | None = None, limit: int = 50, status: str | None = None
) -> KeysetPage[Entry]:
    """Return up to `limit` entries with their members, newest first, older than the entry `last`; one query."""
    query = _newest_first(batch, status)
    if last is not None:
        query = query.where(Entry.id < last)
    rows = list(db.session.scalars(query.limit(limit + 1)))
    return KeysetPage(rows[:limit], (rows[limit - 1].id,) if len(rows) > limit else None)


def with_members(batch: Batch) -> Select[Entry]:
    query = select(Entry).join(Entry.member).options(contains_eager(Entry.member))
    return query.where(Entry.batch_id == batch.id)


def _newest_first(batch: Batch, status: str | None) -> Select[Entry]:
    # `+ 0` keeps PostgreSQL from searching all entries backwards for the few of a batch that its statistics don't know.
    newest = Entry.id + 0 if batch.entry_count < FEW else Entry.id
    query = with_members(batch).order_by(newest.desc())
    return query if status is None else query.where(_in_status(batch, status))


def of_member(batch: Batch, member_id: int) -> int | None:
    wanted = Entry.batch_id == batch.id, Entry.member_id == member_id
    return db.session.scalar(select(Entry.id).where(*wanted))


def counts(batch: Batch) -> dict[str, int]:
    """Return the number of entries by status from the batch's stored counts, without zeros."""
    in_run = batch.run_total - batch.run_processed if _unlocks_now(batch) else 0
    counted = {
        "Unpublished": batch.undecided - in_run,
        "In Progress": in_run,
        "Published": batch.published,
        "Error": batch.errors,
    }
    return {word: number for word, number in counted.items() if number}


def _in_status(batch: Batch, status: str) -> ColumnElement[bool]:
    begun = batch.run_up_to_entry_id if _unlocks_now(batch) else 0
    conditions = {
        "Published": Entry.outcome.in_(SUCCESSES),
        "Error": and_(Entry.outcome.is_not(None), Entry.outcome.not_in(SUCCESSES)),
        "In Progress": and_(Entry.outcome.is_(None), Entry.id <= begun),
        "Unpublished": and_(Entry.outcome.is_(None), Entry.id > begun),
    }
    if status not in conditions:
        raise DomainError("batches.status_unknown", status=status[:40])
    return conditions[status]


def _unlocks_now(batch: Batch) -> bool:
    """True if a worker is awarding; an undo doesn't reset entries."""
    return batch.status == BatchStatus.IN_PROGRESS and batch.work == Work.UNLOCK
