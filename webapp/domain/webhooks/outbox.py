"""Write events in the transaction in which they happen: for the feed, and for each subscribed endpoint (the outbox).

No personal data is ever written: an event names its subject by ID, and the payload is loaded when it is read or sent.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Executable,
    bindparam,
    exists,
    insert,
    literal,
    select,
    true,
)

from webapp.database import Id, UtcDateTime, db, dialect_name, prepared, table, upsert
from webapp.database.arrays import array_rows, in_array
from webapp.domain import award_sync
from webapp.infrastructure import job_queue
from webapp.models import Batch, Delivery, DeliveryState, Endpoint, EventGroup, WebhookEvent
from webapp.models import Subscription as Listens

# Kinds that may happen to a subject repeatedly; the others happen once.
REPEATED = (
    WebhookEvent.MEMBER_CHANGED,
    WebhookEvent.BADGE_CHANGED,
    WebhookEvent.QUEST_CHANGED,
    WebhookEvent.RULE_CHANGED,
)
OF_AWARDS = (
    WebhookEvent.AWARD_CREATED,
    WebhookEvent.AWARD_REVOKED,
    WebhookEvent.AWARD_RESTORED,
)
GROUP = 1_000  # subjects in a row
FEW = 50  # subjects; for more, the delivery worker finds the endpoints with new deliveries


def emit(
    kind: WebhookEvent,
    subject_ids: list[int],
    at: datetime,
    *,
    webhooks: bool = True,
    communities: bool = True,
) -> None:
    """Write an event for each subject, to be sent to subscribed endpoints after the commit; two statements.

    For awards, a third one marks what communities are to show.

    Call it after the change, so that concurrent changes of a subject are written in their order. Without `webhooks`
    they aren't sent, because no endpoint is subscribed or past awards are imported. Without `communities` none is
    marked, because none shows awards. Each saves its statement.
    """
    if subject_ids:
        _emit(kind, subject_ids, at, secrets.randbits(62) if kind in REPEATED else 0, webhooks)
        if communities and kind in OF_AWARDS:
            award_sync.mark_awards(subject_ids, at)


def emit_run(kind: WebhookEvent, batch: Batch, at: datetime) -> None:
    """Write the event of a batch's run; two statements."""
    _emit(kind, [batch.id], at, int((batch.run_at or at).timestamp() * 1_000_000), webhooks=True)


def has_subscribers(kind: WebhookEvent) -> ColumnElement[bool]:
    """True if an endpoint is subscribed to events of this kind; part of a larger query."""
    return exists().where(
        Listens.kind.in_(map(literal, _subscriptions(kind))),
        Endpoint.id == Listens.endpoint_id,
        Endpoint.disabled_at.is_(None),
    )


def _subscriptions(kind: WebhookEvent) -> list[WebhookEvent]:
    """Return the subscriptions that include this kind, also those that get many events in one message."""
    return [kind, WebhookEvent.AWARDS_CREATED] if kind == WebhookEvent.AWARD_CREATED else [kind]


def _emit(
    kind: WebhookEvent, subject_ids: list[int], at: datetime, occurrence: int, webhooks: bool
) -> None:
    groups = [subject_ids[start : start + GROUP] for start in range(0, len(subject_ids), GROUP)]
    same = {"kind": kind, "occurrence": occurrence, "at": at}
    rows = [{"subject_ids": ids, "number": len(ids), **same} for ids in groups]
    db.session.execute(_INSERT_EVENTS, rows)
    if not webhooks:
        return
    values = {**same, "kinds": _subscriptions(kind), "subject_ids": subject_ids}
    subscribed = set(db.session.scalars(_insert_deliveries(dialect_name()), values))
    if len(subject_ids) > FEW and subscribed:
        job_queue.enqueue_after_commit("deliver_due")
        return
    for endpoint_id in subscribed:
        job_queue.enqueue_after_commit("deliver", endpoint_id)


_INSERT_EVENTS = prepared(insert(table(EventGroup)).inline())


@cache
def _insert_deliveries(_dialect: str) -> Executable:
    """Return the statement that writes a delivery for each subject and subscribed endpoint, and returns their IDs."""
    subjects = array_rows("subject_ids")
    at = bindparam("at", type_=UtcDateTime)
    rows = (
        select(
            Endpoint.id,
            Listens.kind,
            subjects.c.value,
            bindparam("occurrence", type_=Id),
            at,
            literal(str(DeliveryState.WAITING)),
            literal(0),
            at,
            literal(""),
        )
        .select_from(Listens)
        .join(Endpoint, Endpoint.id == Listens.endpoint_id)
        .join(subjects, true())
        .where(in_array(Listens.kind, "kinds"), Endpoint.disabled_at.is_(None))
    )
    columns = ["endpoint_id", "kind", "subject_id", "occurrence", "at"]
    columns += ["state", "attempts", "next_at", "last_error"]
    key = [Delivery.endpoint_id, Delivery.kind, Delivery.subject_id, Delivery.occurrence]
    return (
        upsert(Delivery)
        .from_select(columns, rows, include_defaults=False)
        .on_conflict_do_nothing(index_elements=key)
        .returning(Delivery.endpoint_id)
    )
