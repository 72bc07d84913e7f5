"""The outbox: events are written for each subscribed endpoint in the transaction in which they happen.

Nothing is written without subscribers, and no personal data ever: a delivery names its subject by ID, and the payload
is loaded when it is sent. Writing is idempotent per event.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, FromClause, exists, literal, select, true

from webapp.database import Id, UtcDateTime, db, upsert
from webapp.database.arrays import array_rows
from webapp.infrastructure import job_queue
from webapp.models import (
    Award,
    AwardSource,
    Batch,
    Delivery,
    DeliveryState,
    Endpoint,
    Entry,
    Outcome,
    WebhookEvent,
)
from webapp.models import Subscription as Listens


def emit(kind: WebhookEvent, subject_ids: list[int], at: datetime) -> None:
    """Queue one event per subject for subscribed endpoints, to be sent after the commit; one statement."""
    if subject_ids:
        _write(kind, array_rows(subject_ids), at, ring=True)


def emit_run(kind: WebhookEvent, batch: Batch, at: datetime) -> None:
    """Queue the event of a batch's run, once per run; one statement."""
    began = batch.run_at or at
    occurrence = int(began.timestamp() * 1_000_000)
    _write(kind, array_rows([batch.id]), at, occurrence, ring=True)


def emit_batch_awards(batch: Batch, chunk: ColumnElement[bool], at: datetime) -> None:
    """Queue events for the awards that a batch has just made for a chunk of entries; one statement."""
    award = (
        select(Award.id)
        .where(Award.is_active(Entry.member_id, batch.quest_id))
        .correlate(Entry)
        .scalar_subquery()
    )
    made = select(award.label("value")).where(
        Entry.batch_id == batch.id,
        chunk,
        Entry.outcome == Outcome.AWARDED,
        Entry.decided_at == literal(at, UtcDateTime),
    )
    _write(WebhookEvent.AWARD_CREATED, made.subquery(), at)
    job_queue.enqueue_after_commit("deliver_due")


def emit_batch_revocations(batch: Batch, at: datetime) -> None:
    """Queue events for the awards that a batch's undo revoked at this time; one statement."""
    taken = select(Award.id.label("value")).where(
        Award.batch_id == batch.id,
        Award.revoked_at == literal(at, UtcDateTime),
        Award.revoke_source == AwardSource.BATCH,
    )
    _write(WebhookEvent.AWARD_REVOKED, taken.subquery(), at)
    job_queue.enqueue_after_commit("deliver_due")


def has_subscribers(kind: WebhookEvent) -> ColumnElement[bool]:
    return exists().where(
        Listens.kind == kind, Endpoint.id == Listens.endpoint_id, Endpoint.disabled_at.is_(None)
    )


def _write(
    kind: WebhookEvent,
    subjects: FromClause,
    at: datetime,
    occurrence: int = 0,
    *,
    ring: bool = False,
) -> None:
    rows = (
        select(
            Endpoint.id,
            literal(str(kind)),
            subjects.c.value,
            literal(occurrence, Id),
            literal(at, UtcDateTime),
            literal(str(DeliveryState.WAITING)),
            literal(0),
            literal(at, UtcDateTime),
            literal(""),
        )
        .select_from(Listens)
        .join(Endpoint, Endpoint.id == Listens.endpoint_id)
        .join(subjects, true())
        .where(Listens.kind == kind, Endpoint.disabled_at.is_(None))
    )
    columns = ["endpoint_id", "kind", "subject_id", "occurrence", "at"]
    columns += ["state", "attempts", "next_at", "last_error"]
    written = (
        upsert(Delivery)
        .from_select(columns, rows, include_defaults=False)
        .on_conflict_do_nothing(
            index_elements=[
                Delivery.endpoint_id,
                Delivery.kind,
                Delivery.subject_id,
                Delivery.occurrence,
            ]
        )
    )
    if not ring:
        db.session.execute(written)
        return
    for endpoint_id in set(db.session.scalars(written.returning(Delivery.endpoint_id))):
        job_queue.enqueue_after_commit("deliver", endpoint_id)
