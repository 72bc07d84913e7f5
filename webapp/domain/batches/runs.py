"""Start and end the runs of a batch. Workers carry them out in `processing`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update

from webapp.database import db, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.badges.quests import open_quest
from webapp.domain.batches import forecasts, ranges
from webapp.domain.batches.drafts import lock
from webapp.domain.errors import ConflictError, DomainError, ErrorCollector
from webapp.domain.webhooks import outbox
from webapp.infrastructure import job_queue
from webapp.models import Batch, BatchRange, Entry, Outcome, WebhookEvent
from webapp.models.batch import SUCCESSES, UNLOCKED, Work


def ensure_publishable(batch: Batch) -> None:
    """Raise DomainError, with the field, if the name or badge is missing or the badge can't be awarded."""
    refusals = ErrorCollector()
    with refusals:
        if not batch.name:
            raise DomainError("batches.name_missing", "name")
    with refusals:
        if batch.quest_id is None:
            raise DomainError("batches.badge_missing", "quest")
        open_quest(batch.quest_id)
    refusals.raise_if_any()


def publish(batch_id: int, actor: Actor, seen: tuple[int, int] | None = None) -> Batch:
    """Start awarding the undecided entries; returns an already published batch unchanged.

    `seen` is the version and number of members that the forecast showed. Raises ConflictError if either has changed,
    DomainError if the name or badge is missing or the badge can't be awarded.
    """
    batch = lock(batch_id)
    if not batch.publishable:
        return batch
    ensure_publishable(batch)
    if seen is not None and seen != (batch.version, batch.undecided):
        raise ConflictError("batches.forecast_outdated")
    batch.published_at = actor.at
    _begin(batch, Work.UNLOCK, batch.undecided, actor)
    audit_log.write(
        actor, "batch.published", "batch", batch.id, members=batch.run_total, quest=batch.quest_id
    )
    outbox.emit_run(WebhookEvent.BATCH_PUBLISHED, batch, actor.at)
    if not batch.running:
        outbox.emit_run(WebhookEvent.BATCH_FINISHED, batch, actor.at)
    return batch


def leave_out(batch_id: int, actor: Actor, seen: int | None = None) -> int:
    """Remove the unpublished members who can't receive the badge now; return how many (E-10).

    `seen` is the forecast's number; raises ConflictError if it has changed. Does nothing to an unpublishable batch.
    """
    batch = lock(batch_id)
    if not batch.publishable or batch.quest_id is None:
        return 0
    removed = execute_rowcount(
        delete(Entry).where(
            Entry.batch_id == batch.id,
            Entry.outcome.is_(None),
            forecasts.cannot_receive(batch),
        )
    )
    if seen is not None and removed != seen:
        raise ConflictError("batches.members_changed")
    if removed:
        batch.entry_count -= removed
        batch.updated_at = actor.at
        audit_log.write(actor, "batch.reduced", "batch", batch.id, members=removed)
    return removed


def retry(batch_id: int, actor: Actor) -> int:
    """Process the failed entries of a `Partially published` batch again; return how many (B-37).

    Returns 0 if they are already being retried or none is left. Raises DomainError for a draft or an undone batch.
    """
    batch = lock(batch_id)
    if batch.running and not batch.undone_at:
        return 0
    if not _has_failed(batch):
        return 0
    open_quest(batch.quest_id)
    again = execute_rowcount(
        update(Entry)
        .where(Entry.batch_id == batch.id, *_failed())
        .values(outcome=None, reason_detail="", decided_at=None, attempts=0)
    )
    batch.errors -= again
    _begin(batch, Work.UNLOCK, again, actor)
    audit_log.write(actor, "batch.retried", "batch", batch.id, members=again)
    return again


def dismiss(batch_id: int, actor: Actor) -> int:
    """Remove the failed entries of a `Partially published` batch, which becomes `Published`; return how many (B-37).

    Returns 0 if none is left. Raises DomainError for a draft, a running batch or an undone batch.
    """
    batch = lock(batch_id)
    if not _has_failed(batch):
        return 0
    removed = execute_rowcount(delete(Entry).where(Entry.batch_id == batch.id, *_failed()))
    batch.errors -= removed
    batch.entry_count -= removed
    finish(batch, actor.at)
    audit_log.write(actor, "batch.dismissed", "batch", batch.id, members=removed)
    return removed


def undo(batch_id: int, actor: Actor) -> Batch:
    """Start a run that revokes the batch's awards, except those that changed since (B-38).

    Repeated, it returns the batch unchanged, or resumes an undo that failed. Raises DomainError for a draft, a running
    batch or one that awarded nothing.
    """
    batch = lock(batch_id)
    if batch.undone_at and batch.running:
        return batch
    if batch.draft or batch.running:
        raise DomainError("batches.undo_not_finished", status=batch.status_label)
    unlocked = Entry.batch_id == batch.id, Entry.outcome.in_(UNLOCKED)
    number = db.session.scalar(select(func.count()).where(*unlocked)) or 0
    if not number and batch.undone_at:
        return batch
    if not number:
        raise DomainError("batches.nothing_to_undo")
    expected = forecasts.reversal(batch)
    batch.undone_at = actor.at
    execute_rowcount(update(Entry).where(*unlocked, Entry.attempts > 0).values(attempts=0))
    _begin(batch, Work.UNDO, number, actor)
    audit_log.write(actor, "batch.undone", "batch", batch.id, members=expected.take_back)
    return batch


def stop(batch_id: int, actor: Actor) -> int:
    """Stop a running batch after the current chunks; return how many entries were left undecided, now errors (B-40).

    The lock waits for the chunks, and the workers then find their leases gone. Does nothing to a batch that isn't
    running. Raises DomainError for an undo.
    """
    batch = lock(batch_id)
    if not batch.running:
        return 0
    if batch.work == Work.UNDO:
        raise DomainError("batches.undo_not_stoppable")
    stopped = execute_rowcount(
        update(Entry)
        .where(
            Entry.batch_id == batch.id,
            Entry.outcome.is_(None),
            Entry.id <= batch.run_up_to_entry_id,
        )
        .values(outcome=Outcome.STOPPED, reason_detail=actor.name, decided_at=actor.at)
    )
    batch.errors += stopped
    batch.run_processed += stopped
    db.session.execute(delete(BatchRange).where(BatchRange.batch_id == batch.id))
    end(batch, actor.at)
    audit_log.write(actor, "batch.stopped", "batch", batch.id, members=stopped)
    return stopped


def end(batch: Batch, at: datetime) -> None:
    """End a run and queue its webhooks."""
    finish(batch, at)
    outbox.emit_run(WebhookEvent.BATCH_FINISHED, batch, at)


def finish(batch: Batch, at: datetime) -> None:
    """Clear the run, which has no range left: the status follows from the errors."""
    batch.status = batch.status_at_end
    batch.updated_at = at


def _begin(batch: Batch, work: Work, number: int, actor: Actor) -> None:
    batch.work, batch.run_at = work, actor.at
    batch.run_by, batch.run_key = actor.staff_id, actor.key_id
    batch.run_total, batch.run_processed = number, 0
    finish(batch, actor.at)
    batch.run_up_to_entry_id = ranges.divide(batch, number)
    if batch.run_up_to_entry_id:
        batch.status = batch.status_at_start
        job_queue.enqueue_after_commit("unlock", batch.id)


def _has_failed(batch: Batch) -> bool:
    if batch.undone_at:
        raise DomainError("batches.undone_errors")
    if batch.draft or batch.running:
        raise DomainError("batches.errors_not_ready", status=batch.status_label)
    return batch.has_retryable_errors


def _failed() -> tuple[ColumnElement[bool], ...]:
    return Entry.outcome.is_not(None), Entry.outcome.not_in(SUCCESSES)
