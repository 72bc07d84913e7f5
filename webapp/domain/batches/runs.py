"""Runs: what begins and ends the workers' way through a batch. Workers carry it out in `processing`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update

from webapp.database import db, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.badges.quests import open_quest
from webapp.domain.batches import forecasts
from webapp.domain.batches.drafts import lock
from webapp.domain.errors import ConflictError, DomainError, ErrorCollector
from webapp.domain.webhooks import outbox
from webapp.infrastructure import job_queue
from webapp.models import Batch, Entry, Outcome, WebhookEvent
from webapp.models.batch import SUCCESSES, UNLOCKED, Work


def ensure_publishable(batch: Batch) -> None:
    """Raises DomainError, with the field, where the name or the badge is missing, or the badge can't be awarded."""
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
    """Hands what is undecided in a batch to the workers; said again, it answers with the batch as it stands.

    `seen` is the version and the number of members that the forecast showed. Raises ConflictError where they are
    no longer so, DomainError where the name or the badge is missing or the badge can't be awarded any more.
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
    """Remove the unpublished members who can't receive the badge now, and return how many they were (E-10).

    `seen` is how many the forecast showed; raises ConflictError if it is a different number now. Does nothing to a
    batch that can't be published.
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
    """Unlocks the failed entries of a `Partially published` batch again, and says how many (B-37).

    Nothing happens, and 0 is the answer, where they are being retried already or none is left; a draft and a batch
    that was undone are refused.
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
    """Removes the failed entries from a `Partially published` batch, `Published` from then on; says how many (B-37).

    0 where none is left. A batch that is a draft, runs or was undone is refused.
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
    """Takes back, in a run of its own, the awards that a finished batch made and nobody touched since (B-38).

    Said again, it answers with the batch as it stands, or goes on with what an undo that got nowhere has left. A draft,
    a running batch and one that unlocked nothing are refused.
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
    """Ends a running unlock after the chunk in hand; says how many entries that left undecided, now in error (B-40).

    The lock waits for the chunk, and the worker finds its lease gone. A batch that does not run is left as it is; an
    undo is refused.
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
    end(batch, actor.at)
    audit_log.write(actor, "batch.stopped", "batch", batch.id, members=stopped)
    return stopped


def end(batch: Batch, at: datetime) -> None:
    """Ends a run, and tells the endpoints that listen."""
    finish(batch, at)
    outbox.emit_run(WebhookEvent.BATCH_FINISHED, batch, at)


def finish(batch: Batch, at: datetime) -> None:
    """The state of a batch without a run: the status follows from the errors, and nobody holds it any more."""
    batch.status = batch.status_at_end
    batch.end_lease()
    batch.failed_claims = batch.single_step_left = 0
    batch.last_error = ""
    batch.updated_at = at


def _begin(batch: Batch, work: Work, number: int, actor: Actor) -> None:
    batch.work, batch.run_at = work, actor.at
    batch.run_by, batch.run_key = actor.staff_id, actor.key_id
    batch.run_total, batch.run_processed = number, 0
    newest = select(func.max(Entry.id)).where(Entry.batch_id == batch.id)
    batch.run_up_to_entry_id = db.session.scalar(newest) or 0
    finish(batch, actor.at)
    if number:
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
