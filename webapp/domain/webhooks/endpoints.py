"""Webhook endpoints: URLs of other systems, the events they receive, and their secrets (A-6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, true, update
from sqlalchemy.orm import selectinload

from webapp.database import LARGEST_ID, db, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.audit_log import masking
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.keyset_pagination import KeysetPage
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.domain.webhooks import signatures, url_policy
from webapp.infrastructure import job_queue
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt
from webapp.models import Delivery, DeliveryState, Endpoint, Subscription, WebhookEvent
from webapp.models.webhook import TEST

BOTH_SIGN_FOR = timedelta(hours=24)  # after a secret was changed
MOST = 20  # endpoints: each adds a row to the outbox for every event
ON_A_PAGE = 25


@dataclass(frozen=True)
class CreatedEndpoint:
    endpoint: Endpoint
    secret: str


@dataclass(frozen=True)
class EndpointSummary:
    endpoint: Endpoint
    waiting: int
    failed: int


def create(
    url: str, kinds: Collection[str], allowed: Collection[str], actor: Actor
) -> CreatedEndpoint:
    """Create an endpoint for events of these kinds; not idempotent. Raises DomainError with the field."""
    url = url.strip()
    url_policy.target(url, allowed)
    listens = _kinds(kinds)
    if (db.session.scalar(select(func.count()).select_from(Endpoint)) or 0) >= MOST:
        raise DomainError("webhooks.too_many", limit=MOST)
    secret = signatures.new_secret()
    endpoint = Endpoint(secret=encrypt(secret), created_at=actor.at, created_by=actor.staff_id)
    _move(endpoint, url, actor)
    endpoint.subscriptions = [Subscription(kind=kind) for kind in listens]
    db.session.add(endpoint)
    db.session.flush()
    audit_log.write(actor, "endpoint.made", "endpoint", endpoint.id, events=", ".join(listens))
    return CreatedEndpoint(endpoint, secret)


def change(
    endpoint_id: int,
    url: str | None,
    kinds: Collection[str] | None,
    allowed: Collection[str],
    actor: Actor,
) -> Endpoint:
    """Change an endpoint's URL and events; None keeps them. Idempotent. Raises as `create`."""
    endpoint = require(Endpoint, endpoint_id, lock=NO_KEY_UPDATE)
    listens = endpoint.kinds if kinds is None else _kinds(kinds)
    before = url_of(endpoint)
    moved: dict[str, str] = {}
    if url is not None:
        url = url.strip()
        url_policy.target(url, allowed)
        moved = {"before": endpoint.host, "after": masking.mask_url(url)} if url != before else {}
    if not moved and listens == endpoint.kinds:
        return endpoint
    if url is not None and moved:
        _move(endpoint, url, actor)
    kept = {subscription.kind: subscription for subscription in endpoint.subscriptions}
    endpoint.subscriptions = [kept.get(kind) or Subscription(kind=kind) for kind in listens]
    endpoint.failures, endpoint.backoff_until = 0, None
    events = ", ".join(listens)
    audit_log.write(actor, "endpoint.changed", "endpoint", endpoint.id, events=events, **moved)
    return endpoint


class RotatedRecentlyError(DomainError):
    """Receivers may still use the secret before the current one, which would no longer sign."""


def rotate(endpoint_id: int, actor: Actor, *, drop_previous: bool = False) -> CreatedEndpoint:
    """Replace the secret; the current one also signs for a day. Not idempotent.

    Raises RotatedRecentlyError if another one still does, unless it may be dropped.
    """
    endpoint = require(Endpoint, endpoint_id, lock=NO_KEY_UPDATE)
    if not drop_previous and has_previous_secret(endpoint, actor.at):
        raise RotatedRecentlyError("webhooks.rotated_recently")
    secret = signatures.new_secret()
    endpoint.previous_secret, endpoint.previous_secret_until = (
        endpoint.secret,
        actor.at + BOTH_SIGN_FOR,
    )
    endpoint.secret = encrypt(secret)
    audit_log.write(actor, "endpoint.rotated", "endpoint", endpoint.id)
    return CreatedEndpoint(endpoint, secret)


def has_previous_secret(endpoint: Endpoint, at: datetime) -> bool:
    """True if the previous secret still signs."""
    until = endpoint.previous_secret_until
    return bool(endpoint.previous_secret) and until is not None and at < until


def switch(endpoint_id: int, on: bool, actor: Actor, why: str = "") -> Endpoint:
    """Enable or disable an endpoint. Idempotent.

    While it is disabled, no events are queued; those queued before are sent later unless they are three days old.
    """
    endpoint = require(Endpoint, endpoint_id, lock=NO_KEY_UPDATE)
    if on == (endpoint.disabled_at is None):
        return endpoint
    endpoint.disabled_at, endpoint.disabled_reason = (None, "") if on else (actor.at, why)
    endpoint.failures, endpoint.backoff_until = 0, None
    if on:
        audit_log.write(actor, "endpoint.enabled", "endpoint", endpoint.id)
        job_queue.enqueue_after_commit("deliver", endpoint.id)
    else:
        audit_log.write(
            actor, "endpoint.disabled", "endpoint", endpoint.id, **({"reason": why} if why else {})
        )
    return endpoint


def disable_created_by(staff_id: int, endpoint_ids: Collection[int], actor: Actor) -> int:
    theirs = {endpoint.id for endpoint in created_by(staff_id)}
    chosen = sorted(theirs & set(endpoint_ids))
    for endpoint_id in chosen:
        switch(endpoint_id, False, actor)
    return len(chosen)


def created_by(staff_id: int) -> list[Endpoint]:
    query = select(Endpoint).where(Endpoint.created_by == staff_id, Endpoint.disabled_at.is_(None))
    return list(db.session.scalars(query.order_by(Endpoint.id.desc())))


def disable_set_by_key(key_id: int, actor: Actor) -> None:
    """Turn off the webhooks whose URL an API key has set."""
    for endpoint in set_by_key(key_id):
        switch(endpoint.id, False, actor, "webhooks.key_revoked")


def set_by_key(key_id: int) -> list[Endpoint]:
    """Return the enabled endpoints whose URL an API key has set."""
    query = select(Endpoint).where(
        Endpoint.url_set_by_key == key_id, Endpoint.disabled_at.is_(None)
    )
    return list(db.session.scalars(query.order_by(Endpoint.id)))


def remove(endpoint_id: int, actor: Actor) -> str:
    endpoint = require(Endpoint, endpoint_id, lock=NO_KEY_UPDATE)
    audit_log.write(actor, "endpoint.removed", "endpoint", endpoint.id, address=endpoint.host)
    host = endpoint.host
    db.session.delete(endpoint)
    return host


def redeliver(endpoint_id: int, delivery_id: int, actor: Actor) -> int:
    """Send a delivery again now, with the same ID, or sooner if it is still pending; and those that share its message.

    Returns the number of deliveries. Raises NotFoundError if the endpoint has no such delivery, DomainError if it is
    disabled.
    """
    endpoint = require(Endpoint, endpoint_id, lock=NO_KEY_UPDATE)
    _ensure_enabled(endpoint)
    delivery = get_delivery(endpoint_id, delivery_id)
    chosen = (
        Delivery.id == delivery.id
        if delivery.message_id is None
        else Delivery.message_id == delivery.message_id
    )
    return _send_again(endpoint, chosen, actor)


def redeliver_failed(endpoint_id: int, since: datetime, actor: Actor) -> int:
    """Send everything again whose last attempt since this time failed; return the number of deliveries.

    This includes those that are waiting for another attempt. Raises DomainError if the endpoint is disabled.
    """
    endpoint = require(Endpoint, endpoint_id, lock=NO_KEY_UPDATE)
    _ensure_enabled(endpoint)
    tried = or_(Delivery.state == DeliveryState.FAILED, Delivery.attempts > 0)
    failed = and_(Delivery.state != DeliveryState.DELIVERED, tried)
    return _send_again(
        endpoint, and_(failed, func.coalesce(Delivery.sent_at, Delivery.at) >= since), actor
    )


def _send_again(endpoint: Endpoint, chosen: ColumnElement[bool], actor: Actor) -> int:
    number = execute_rowcount(
        update(Delivery)
        .where(Delivery.endpoint_id == endpoint.id, chosen)
        .values(state=DeliveryState.WAITING, attempts=0, next_at=actor.at)
    )
    if number:
        endpoint.failures, endpoint.backoff_until = 0, None
        audit_log.write(actor, "delivery.repeated", "endpoint", endpoint.id, deliveries=number)
        job_queue.enqueue_after_commit("deliver", endpoint.id)
    return number


def get_delivery(endpoint_id: int, delivery_id: int) -> Delivery:
    """Return a delivery of this endpoint. Raises NotFoundError."""
    delivery = db.session.get(Delivery, min(delivery_id, LARGEST_ID), populate_existing=True)
    if delivery is None or delivery.endpoint_id != endpoint_id:
        raise NotFoundError("common.delivery_not_found")
    return delivery


def test(endpoint_id: int, actor: Actor) -> Delivery:
    """Send a test message without an event; not idempotent."""
    endpoint = require(Endpoint, endpoint_id, lock=NO_KEY_UPDATE)
    _ensure_enabled(endpoint)
    occurrence = int(actor.at.timestamp() * 1_000_000)
    delivery = Delivery(
        endpoint_id=endpoint.id,
        kind=TEST,
        subject_id=0,
        occurrence=occurrence,
        at=actor.at,
        next_at=actor.at,
    )
    db.session.add(delivery)
    db.session.flush()
    endpoint.failures, endpoint.backoff_until = 0, None
    audit_log.write(actor, "endpoint.tested", "endpoint", endpoint.id)
    job_queue.enqueue_after_commit("deliver", endpoint.id)
    return delivery


def get(endpoint_id: int) -> Endpoint:
    return require(Endpoint, endpoint_id, options=[selectinload(Endpoint.subscriptions)])


def url_of(endpoint: Endpoint) -> str | None:
    try:
        return decrypt(endpoint.encrypted_url)
    except DecryptionError:
        return None


def _move(endpoint: Endpoint, url: str, actor: Actor) -> None:
    endpoint.encrypted_url, endpoint.host = encrypt(url), masking.mask_url(url)
    endpoint.url_set_by_key = actor.key_id


def summary(endpoint_id: int) -> EndpointSummary:
    """Return an endpoint with its numbers of deliveries. Raises NotFoundError."""
    found = _summaries(Endpoint.id == min(endpoint_id, LARGEST_ID))
    if not found:
        raise NotFoundError("common.webhook_not_found")
    return found[0]


def overview() -> list[EndpointSummary]:
    """Return all endpoints, newest first, with their numbers of deliveries; three queries."""
    return _summaries(true())


def _summaries(chosen: ColumnElement[bool]) -> list[EndpointSummary]:
    ordered = select(Endpoint).options(selectinload(Endpoint.subscriptions)).where(chosen)
    endpoints = db.session.scalars(
        ordered.order_by(Endpoint.id.desc()), execution_options={"populate_existing": True}
    ).all()
    counted: dict[tuple[int, str], int] = {}
    grouped = (
        select(Delivery.endpoint_id, Delivery.state, func.count())
        .where(
            Delivery.state != DeliveryState.DELIVERED,
            Delivery.endpoint_id.in_([endpoint.id for endpoint in endpoints]),
        )
        .group_by(Delivery.endpoint_id, Delivery.state)
    )
    for endpoint_id, state, number in db.session.execute(grouped):
        counted[endpoint_id, state] = number
    return [
        EndpointSummary(
            endpoint,
            counted.get((endpoint.id, DeliveryState.WAITING), 0),
            counted.get((endpoint.id, DeliveryState.FAILED), 0),
        )
        for endpoint in endpoints
    ]


def log(
    endpoint_id: int,
    older_than: int | None = None,
    limit: int = ON_A_PAGE,
    *,
    state: DeliveryState | None = None,
) -> KeysetPage[Delivery]:
    """Return up to `limit` of an endpoint's deliveries, newest first; one query."""
    query = select(Delivery).where(Delivery.endpoint_id == endpoint_id)
    if older_than is not None:
        query = query.where(Delivery.id < older_than)
    if state is not None:
        query = query.where(Delivery.state == state)
    rows = list(db.session.scalars(query.order_by(Delivery.id.desc()).limit(limit + 1)))
    return KeysetPage(rows[:limit], (rows[limit - 1].id,) if len(rows) > limit else None)


def _kinds(kinds: Collection[str]) -> list[str]:
    if not kinds:
        raise DomainError("webhooks.event_missing", "kinds")
    if unknown := sorted(set(kinds) - set(WebhookEvent)):
        raise DomainError("webhooks.event_unknown", "kinds", event=unknown[0][:40])
    if {WebhookEvent.AWARD_CREATED, WebhookEvent.AWARDS_CREATED} <= set(kinds):
        raise DomainError("webhooks.events_exclusive", "kinds")
    return sorted(str(kind) for kind in WebhookEvent if kind in kinds)


def _ensure_enabled(endpoint: Endpoint) -> None:
    if endpoint.disabled_at is not None:
        raise DomainError("webhooks.disabled")
