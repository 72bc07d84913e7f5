"""Carrying out the outbox: an endpoint is claimed, what is due for it taken, and what came of it written down.

As with batches the database is the truth: a worker holds an endpoint by a lease; what it had sent and not written down
when it died is sent again, under the same id, by which the receiver knows it.
"""

from __future__ import annotations

import hashlib
import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update

from webapp.database import db, execute_rowcount
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.infrastructure.encryption import DecryptionError, decrypt, encrypt, needs_reencryption
from webapp.models import Delivery, DeliveryState, Endpoint

log = logging.getLogger(__name__)

# Seconds from one try to the next: over three days in all.
SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # of each, added at most: what failed together does not come back together
GIVEN_UP = timedelta(
    seconds=sum(SCHEDULE) * (1 + JITTER)
)  # after the event, however seldom it was tried
REST = 300  # seconds that a failing endpoint is left alone at most
LONGEST_WAIT = 3_600  # seconds that a Retry-After is heeded
KEPT_FOR = timedelta(days=14)  # deliveries that came to an end
GONE = 410

WAITING = Delivery.state == DeliveryState.WAITING


@dataclass(frozen=True)
class Outcome:
    delivery_id: int
    status: int | None
    error: str = ""
    wait: int = 0  # seconds that the endpoint asked for
    hopeless: bool = False  # nothing was sent, nor can be

    @property
    def arrived(self) -> bool:
        """Whether it was taken: only a 2xx says so."""
        return self.status is not None and 200 <= self.status < 300


def waiting(at: datetime) -> list[int]:
    """Endpoints in nobody's hands for which something is due: the ones to ring for."""
    due = exists().where(Delivery.endpoint_id == Endpoint.id, WAITING, Delivery.next_at <= at)
    query = select(Endpoint.id).where(_claimable(at), due)
    return list(db.session.scalars(query.order_by(Endpoint.id)))


def claim(endpoint_id: int, owner: str, lease: float, at: datetime) -> Endpoint | None:
    """Takes an endpoint for `lease` seconds; of many callers one gets it. None: not ours, off, or left alone."""
    return leases.acquire(Endpoint, endpoint_id, _claimable(at), owner, lease)


def take(
    endpoint_id: int, owner: str, lease: float, number: int, at: datetime
) -> tuple[Endpoint, list[Delivery]]:
    """Renew the lease and return the next due deliveries, the longest due first. Raises LeaseLostError.

    Of a failing endpoint it is one: if that arrives, the others follow.
    """
    endpoint = leases.renew(Endpoint, endpoint_id, owner, lease)
    due = select(Delivery).where(
        Delivery.endpoint_id == endpoint_id, WAITING, Delivery.next_at <= at
    )
    ordered = due.order_by(Delivery.next_at, Delivery.id).limit(1 if endpoint.failures else number)
    return endpoint, list(db.session.scalars(ordered))


def secrets(endpoint: Endpoint, at: datetime) -> list[str]:
    """What a message is signed with: the secret, and for a day after a change the one before; raises Unopenable."""
    secrets_ = [decrypt(endpoint.secret)]
    if (
        endpoint.previous_secret
        and endpoint.previous_secret_until
        and at < endpoint.previous_secret_until
    ):
        secrets_.append(decrypt(endpoint.previous_secret))
    return secrets_


def message_id(delivery: Delivery) -> str:
    """By which a receiver knows a message again, whenever it is sent, and to whichever endpoint."""
    text = f"{delivery.kind}:{delivery.subject_id}:{delivery.occurrence}:{delivery.at.isoformat()}"
    return "msg_" + hashlib.sha256(text.encode()).hexdigest()[:32]


def record_outcomes(endpoint_id: int, owner: str, outcomes: list[Outcome], actor: Actor) -> bool:
    """Writes down what came of the tries; says whether the endpoint may be sent more at once.

    What did not arrive is due again by SCHEDULE, and given up after the last; 410 switches the endpoint off. Of a lost
    lease nothing is written: whoever has it sends the same again.
    """
    endpoint = db.session.get(
        Endpoint, endpoint_id, with_for_update={"key_share": True}, populate_existing=True
    )
    if endpoint is None or endpoint.lease_owner != owner:
        return False
    rows = {
        delivery.id: delivery for delivery in _rows([outcome.delivery_id for outcome in outcomes])
    }
    for outcome in outcomes:
        if outcome.delivery_id in rows:
            _write(rows[outcome.delivery_id], outcome, actor.at)
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
    """Leave a failing endpoint alone for longer each time, and at least `wait` seconds, which it asked for."""
    endpoint.failures += 1
    rest = min(REST, SCHEDULE[0] * 2 ** min(endpoint.failures - 1, 10))
    endpoint.backoff_until = at + timedelta(seconds=min(max(rest, wait), LONGEST_WAIT))


def tidy(at: datetime) -> None:
    """Gives up what waited for three days, deletes what ended two weeks ago, seals anew with the present secret."""
    too_old = update(Delivery).where(WAITING, Delivery.next_at < at, Delivery.at < at - GIVEN_UP)
    # A delivery that somebody asked for again has been tried again, whatever its age.
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
        except DecryptionError as problem:  # it is switched off at its next delivery
            log.error("the secret of endpoint %s: %s", endpoint.id, problem)


def _claimable(at: datetime) -> ColumnElement[bool]:
    rested = or_(Endpoint.backoff_until.is_(None), Endpoint.backoff_until <= at)
    return and_(Endpoint.disabled_at.is_(None), leases.is_free(Endpoint), rested)


def _rows(delivery_ids: list[int]) -> list[Delivery]:
    query = select(Delivery).where(Delivery.id.in_(delivery_ids), WAITING)
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def _write(delivery: Delivery, outcome: Outcome, at: datetime) -> None:
    delivery.attempts += 1
    delivery.sent_at, delivery.response_status = at, outcome.status
    delivery.last_error = outcome.error[:200]
    if outcome.arrived:
        delivery.state = DeliveryState.DELIVERED
    elif delivery.attempts > len(SCHEDULE) or outcome.status == GONE or outcome.hopeless:
        delivery.state = DeliveryState.FAILED
    else:
        wait = SCHEDULE[delivery.attempts - 1] * random.uniform(1, 1 + JITTER)
        wait = max(wait, min(outcome.wait, LONGEST_WAIT))
        delivery.next_at = at + timedelta(seconds=wait)
