"""Write events in the transaction in which they happen: for the feed, and for each subscribed endpoint (the outbox).

No personal data is ever written: an event names its subject by ID, and the payload is loaded when it is read or sent.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import ColumnElement, exists, literal, select, true

from webapp.database import Id, UtcDateTime, db, execute_rowcount, upsert
from webapp.database.arrays import array_rows
from webapp.domain.webhooks import event_feed
from webapp.infrastructure import job_queue
from webapp.models import Batch, Delivery, DeliveryState, Endpoint, WebhookEvent
from webapp.models import Subscription as Listens

# Kinds that may happen to a subject repeatedly; the others happen once.
REPEATED = (
    WebhookEvent.MEMBER_CHANGED,
    WebhookEvent.BADGE_CHANGED,
    WebhookEvent.QUEST_CHANGED,
    WebhookEvent.RULE_CHANGED,
)
FEW = 50  # subjects; for more, the delivery worker finds the endpoints with new deliveries


def emit(
    kind: WebhookEvent, subject_ids: list[int], at: datetime, *, webhooks: bool = True
) -> None:
    """Write an event for each subject, to be sent to subscribed endpoints after the commit; two statements.

    Call it after the change, so that concurrent changes of a subject are written in their order. Without `webhooks`
    they aren't sent, because no endpoint is subscribed or past awards are imported.
    """
    if not subject_ids:
        return
    occurrence = secrets.randbits(62) if kind in REPEATED else 0
    event_feed.write(kind, subject_ids, at, occurrence)
    if webhooks:
        _deliver(kind, subject_ids, at, occurrence)


def emit_run(kind: WebhookEvent, batch: Batch, at: datetime) -> None:
    """Write the event of a batch's run; two statements."""
    began = batch.run_at or at
    occurrence = int(began.timestamp() * 1_000_000)
    event_feed.write(kind, [batch.id], at, occurrence)
    _deliver(kind, [batch.id], at, occurrence)


def has_subscribers(kind: WebhookEvent) -> ColumnElement[bool]:
    return exists().where(
        _listens_to(kind), Endpoint.id == Listens.endpoint_id, Endpoint.disabled_at.is_(None)
    )


def _listens_to(kind: WebhookEvent) -> ColumnElement[bool]:
    """True for subscriptions to events of this kind, also if they get many in one message."""
    if kind == WebhookEvent.AWARD_CREATED:
        return Listens.kind.in_([kind, WebhookEvent.AWARDS_CREATED])
    return Listens.kind == kind


def _deliver(kind: WebhookEvent, subject_ids: list[int], at: datetime, occurrence: int) -> None:
    subjects = array_rows(subject_ids)
    rows = (
        select(
            Endpoint.id,
            Listens.kind,
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
        .where(_listens_to(kind), Endpoint.disabled_at.is_(None))
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
    if len(subject_ids) > FEW:
        if execute_rowcount(written):
            job_queue.enqueue_after_commit("deliver_due")
        return
    for endpoint_id in set(db.session.scalars(written.returning(Delivery.endpoint_id))):
        job_queue.enqueue_after_commit("deliver", endpoint_id)
