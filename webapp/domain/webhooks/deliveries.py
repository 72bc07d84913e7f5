"""Process the outbox: claim an endpoint, take its due deliveries, record their outcomes.

As with batches, the database holds all state, and a worker leases an endpoint. Deliveries sent but not recorded before
a crash are sent again with the same ID, so that receivers can recognize them.
"""

from __future__ import annotations

import hashlib
import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, true, update

from webapp.database import db, execute_rowcount
from webapp.database.arrays import in_array
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.lookup import NO_KEY_UPDATE
from webapp.domain.webhooks.event_feed import Event
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt, needs_reencryption
from webapp.models import Delivery, DeliveryState, Endpoint, WebhookEvent

log = logging.getLogger(__name__)

# Seconds between attempts: over three days in total.
SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # largest share added at random, so that failed deliveries don't retry together
GIVEN_UP = timedelta(seconds=sum(SCHEDULE) * (1 + JITTER))  # after the event
REST = 300  # maximum pause of a failing endpoint, in seconds
LONGEST_WAIT = 3_600  # maximum Retry-After that is respected, in seconds
KEPT_FOR = timedelta(days=14)  # finished deliveries
GONE = 410
TOGETHER = 500  # awards in a message
MANY = 10  # such messages claimed together

WAITING = Delivery.state == DeliveryState.WAITING


@dataclass(frozen=True)
class OutgoingMessage:
    """What one request sends: an event, or several awards."""

    deliveries: list[Delivery]

    @property
    def kind(self) -> str:
        return self.deliveries[0].kind

    @property
    def id(self) -> str:
        return message_id(self.deliveries[0])

    @property
    def delivery_ids(self) -> tuple[int, ...]:
        return tuple(delivery.id for delivery in self.deliveries)


@dataclass(frozen=True)
class DeliveryResult:
    delivery_ids: tuple[int, ...]  # of one message
    status: int | None
    error: str = ""
    wait: int = 0  # seconds, as requested by the endpoint
    hopeless: bool = False  # nothing was sent, nor ever can be

    @property
    def arrived(self) -> bool:
        """True if the response was 2xx."""
        return self.status is not None and 200 <= self.status < 300


def waiting(at: datetime, *, leased: bool = False) -> list[int]:
    """Return endpoints with due deliveries: those to enqueue. With `leased`, also those that a worker holds."""
    due = exists().where(Delivery.endpoint_id == Endpoint.id, WAITING, Delivery.next_at <= at)
    free = true() if leased else leases.is_free(Endpoint)
    query = select(Endpoint.id).where(_open(at), free, due)
    return list(db.session.scalars(query.order_by(Endpoint.id)))


def claim(endpoint_id: int, owner: str, lease: float, at: datetime) -> Endpoint | None:
    """Lease an endpoint for `lease` seconds; one of several callers gets it. None if leased, disabled or paused."""
    return leases.acquire(
        Endpoint, endpoint_id, and_(leases.is_free(Endpoint), _open(at)), owner, lease
    )


def take(
    endpoint_id: int, owner: str, lease: float, number: int, at: datetime
) -> tuple[Endpoint, list[OutgoingMessage]]:
    """Renew the lease and return the next due messages, oldest first. Raises LeaseLostError.

    A failing endpoint gets only one; if it succeeds, the others follow. At most MANY of them have several awards.
    """
    endpoint = leases.renew(Endpoint, endpoint_id, owner, lease)
    number = 1 if endpoint.failures else number
    alone = _alone(endpoint_id, number, at)
    if any(delivery.kind == WebhookEvent.AWARDS_CREATED for delivery in alone):
        _share_messages(endpoint_id, at)
        alone = [delivery for delivery in alone if delivery.kind != WebhookEvent.AWARDS_CREATED]
    messages = [OutgoingMessage([delivery]) for delivery in alone]
    messages += _shared(endpoint_id, min(number, MANY), at)
    messages.sort(key=lambda message: (message.deliveries[0].next_at, message.deliveries[0].id))
    return endpoint, messages[:number]


def _due(endpoint_id: int, at: datetime) -> ColumnElement[bool]:
    return and_(Delivery.endpoint_id == endpoint_id, WAITING, Delivery.next_at <= at)


def _alone(endpoint_id: int, number: int, at: datetime) -> list[Delivery]:
    """Return the next due deliveries that share no message."""
    query = select(Delivery).where(_due(endpoint_id, at), Delivery.message_id.is_(None))
    ordered = query.order_by(Delivery.next_at, Delivery.id).limit(number)
    return list(db.session.scalars(ordered))


def _shared(endpoint_id: int, number: int, at: datetime) -> list[OutgoingMessage]:
    """Return the next due messages of several awards."""
    query = select(Delivery.message_id).where(
        _due(endpoint_id, at), Delivery.message_id.is_not(None)
    )
    oldest = func.min(Delivery.next_at), func.min(Delivery.id)
    ordered = query.group_by(Delivery.message_id).order_by(*oldest).limit(number)
    message_ids = list(db.session.scalars(ordered))
    if not message_ids:
        return []
    together: dict[str | None, list[Delivery]] = {}
    rows = select(Delivery).where(
        Delivery.endpoint_id == endpoint_id, Delivery.message_id.in_(message_ids), WAITING
    )
    fresh = {"populate_existing": True}
    for delivery in db.session.scalars(rows.order_by(Delivery.id), execution_options=fresh):
        together.setdefault(delivery.message_id, []).append(delivery)
    return [OutgoingMessage(sent) for sent in together.values()]


def _share_messages(endpoint_id: int, at: datetime) -> None:
    """Combine due awards into messages, oldest first. They stay together: a retry sends the same, with the same ID."""
    loose = select(Delivery).where(
        _due(endpoint_id, at),
        Delivery.kind == WebhookEvent.AWARDS_CREATED,
        Delivery.message_id.is_(None),
    )
    rows = db.session.scalars(loose.order_by(Delivery.id).limit(MANY * TOGETHER)).all()
    for start in range(0, len(rows), TOGETHER):
        group = rows[start : start + TOGETHER]
        ids = [delivery.id for delivery in group]
        shared = _hashed("\n".join(_event_of(delivery) for delivery in group))
        db.session.execute(
            update(Delivery).where(in_array(Delivery.id, ids)).values(message_id=shared),
            execution_options={"synchronize_session": False},
        )


def secrets(endpoint: Endpoint, at: datetime) -> list[str]:
    """Return the secrets to sign with; for a day after a change, the previous one as well. Raises DecryptionError."""
    secrets_ = [decrypt(endpoint.secret)]
    if (
        endpoint.previous_secret
        and endpoint.previous_secret_until
        and at < endpoint.previous_secret_until
    ):
        secrets_.append(decrypt(endpoint.previous_secret))
    return secrets_


def message_id(delivery: Delivery) -> str:
    """Return the ID by which receivers recognize a repeated message, the same for all endpoints."""
    return delivery.message_id or event_id(delivery)


def event_id(event: Delivery | Event) -> str:
    """Return an event's ID in the feed, which is also its message's if it has one of its own."""
    return _hashed(_event_of(event))


def _event_of(event: Delivery | Event) -> str:
    return f"{event.kind}:{event.subject_id}:{event.occurrence}:{event.at.isoformat()}"


def _hashed(text: str) -> str:
    return "msg_" + hashlib.sha256(text.encode()).hexdigest()[:32]


def record_outcomes(
    endpoint_id: int, owner: str, outcomes: list[DeliveryResult], actor: Actor
) -> bool:
    """Record the outcomes of attempts; return whether the endpoint can be sent more right away.

    Failed deliveries are due again by SCHEDULE, and given up after the last; a 410 disables the endpoint. If the lease
    is lost, writes nothing: the new holder sends the same again.
    """
    endpoint = db.session.get(
        Endpoint, endpoint_id, with_for_update=NO_KEY_UPDATE, populate_existing=True
    )
    if endpoint is None or endpoint.lease_owner != owner:
        return False
    _record_arrived([outcome for outcome in outcomes if outcome.arrived], actor.at)
    _record_failed([outcome for outcome in outcomes if not outcome.arrived], actor.at)
    sent = [outcome for outcome in outcomes if not outcome.hopeless]
    if any(outcome.status == GONE for outcome in sent):
        endpoint.disabled_at, endpoint.disabled_reason = actor.at, "webhooks.gone"
        audit_log.write(
            actor, "endpoint.disabled", "endpoint", endpoint.id, reason=endpoint.disabled_reason
        )
    if sent and not any(outcome.arrived for outcome in sent):
        _back_off(endpoint, max(outcome.wait for outcome in sent), actor.at)
    else:
        endpoint.failures, endpoint.backoff_until = 0, None
    return endpoint.backoff_until is None and endpoint.disabled_at is None


def _back_off(endpoint: Endpoint, wait: int, at: datetime) -> None:
    """Pause a failing endpoint, longer each time, and for at least the `wait` seconds it requested."""
    endpoint.failures += 1
    rest = min(REST, SCHEDULE[0] * 2 ** min(endpoint.failures - 1, 10))
    endpoint.backoff_until = at + timedelta(seconds=min(max(rest, wait), LONGEST_WAIT))


def tidy(at: datetime) -> None:
    """Give up deliveries after three days, delete those that ended two weeks ago, re-encrypt secrets."""
    too_old = update(Delivery).where(WAITING, Delivery.next_at < at, Delivery.at < at - GIVEN_UP)
    # A delivery that someone requested again has been attempted, whatever its age.
    untried = or_(Delivery.sent_at.is_(None), Delivery.attempts > 0)
    execute_rowcount(too_old.where(untried).values(state=DeliveryState.FAILED))
    ended = Delivery.state != DeliveryState.WAITING, Delivery.at < at - KEPT_FOR
    db.session.execute(delete(Delivery).where(*ended))
    for endpoint in db.session.scalars(select(Endpoint)):
        if endpoint.previous_secret_until and endpoint.previous_secret_until <= at:
            endpoint.previous_secret = endpoint.previous_secret_until = None
        try:
            if needs_reencryption(endpoint.encrypted_url):
                endpoint.encrypted_url = encrypt(decrypt(endpoint.encrypted_url))
            if needs_reencryption(endpoint.secret):
                endpoint.secret = encrypt(decrypt(endpoint.secret))
            if endpoint.previous_secret and needs_reencryption(endpoint.previous_secret):
                endpoint.previous_secret = encrypt(decrypt(endpoint.previous_secret))
        except DecryptionError as problem:  # disabled at its next delivery
            log.error("the secret of endpoint %s: %s", endpoint.id, problem)


def _open(at: datetime) -> ColumnElement[bool]:
    rested = or_(Endpoint.backoff_until.is_(None), Endpoint.backoff_until <= at)
    return and_(Endpoint.disabled_at.is_(None), rested)


def _record_arrived(arrived: list[DeliveryResult], at: datetime) -> None:
    """Record deliveries as delivered, with one statement for each response status."""
    by_status: dict[int | None, list[int]] = {}
    for outcome in arrived:
        by_status.setdefault(outcome.status, []).extend(outcome.delivery_ids)
    for status, ids in by_status.items():
        db.session.execute(
            update(Delivery)
            .where(in_array(Delivery.id, ids), WAITING)
            .values(
                state=DeliveryState.DELIVERED,
                attempts=Delivery.attempts + 1,
                sent_at=at,
                response_status=status,
                last_error="",
            ),
            execution_options={"synchronize_session": False},
        )


def _record_failed(failed: list[DeliveryResult], at: datetime) -> None:
    outcomes = {outcome.delivery_ids[0]: outcome for outcome in failed}
    query = select(Delivery).where(Delivery.id.in_(outcomes), WAITING)
    rows = db.session.scalars(query, execution_options={"populate_existing": True})
    for delivery in rows:
        outcome = outcomes[delivery.id]
        _reschedule(delivery, outcome, at)
        if len(outcome.delivery_ids) > 1:
            _reschedule_with(delivery, outcome.delivery_ids)


def _reschedule_with(first: Delivery, delivery_ids: tuple[int, ...]) -> None:
    """Record for all deliveries of a message what its first one says, so that they stay due together."""
    columns = ("state", "attempts", "next_at", "sent_at", "response_status", "last_error")
    db.session.execute(
        update(Delivery)
        .where(in_array(Delivery.id, list(delivery_ids)), WAITING)
        .values({name: getattr(first, name) for name in columns}),
        execution_options={"synchronize_session": False},
    )


def _reschedule(delivery: Delivery, outcome: DeliveryResult, at: datetime) -> None:
    delivery.attempts += 1
    delivery.sent_at, delivery.response_status = at, outcome.status
    delivery.last_error = outcome.error[:200]
    if delivery.attempts > len(SCHEDULE) or outcome.status == GONE or outcome.hopeless:
        delivery.state = DeliveryState.FAILED
    else:
        wait = SCHEDULE[delivery.attempts - 1] * random.uniform(1, 1 + JITTER)
        wait = max(wait, min(outcome.wait, LONGEST_WAIT))
        delivery.next_at = at + timedelta(seconds=wait)
