"""Send an endpoint's pending outbox messages, several at a time, for one time slice."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from jobs import http_client
from jobs.context import job, settings, worker_actor
from jobs.time_slice import Steps, run_slices
from webapp import package
from webapp.domain import leases
from webapp.domain.batches import processing
from webapp.domain.errors import DomainError
from webapp.domain.webhooks import deliveries, endpoints, signatures, url_policy
from webapp.domain.webhooks.deliveries import DeliveryResult
from webapp.infrastructure.encryption import DecryptionError, decrypt
from webapp.models import Delivery, Endpoint
from webapp.schemas import webhook_payloads
from webapp.transaction import transaction

log = logging.getLogger(__name__)

AT_ONCE = 20  # concurrent requests to one endpoint


@job
def deliver(endpoint_id: int) -> None:
    run_slices(
        "deliver",
        Endpoint,
        endpoint_id,
        claim=partial(deliveries.claim, endpoint_id),
        steps=partial(_rounds, endpoint_id),
        others_wait=processing.others_wait,
    )


def _rounds(endpoint_id: int, owner: str, _claimed: Endpoint) -> Steps:
    while _round(endpoint_id, owner):
        yield True
    with transaction():
        leases.release(Endpoint, endpoint_id, owner)


def _round(endpoint_id: int, owner: str) -> bool:
    """Send the due messages, at most AT_ONCE; True if more may be due now."""
    with transaction():
        lease = settings().lease_seconds  # longer than a round: a request takes ten seconds at most
        endpoint, due = deliveries.take(endpoint_id, owner, lease, AT_ONCE, worker_actor().at)
        if not due:
            return False
        sends = _prepared(endpoint, due)
    if sends is None:
        return False
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deliver") as senders:
        outcomes = list(senders.map(lambda send: send(), sends))
    with transaction():
        return deliveries.record_outcomes(endpoint_id, owner, outcomes, worker_actor())


def _prepared(endpoint: Endpoint, due: list[Delivery]) -> list[partial[DeliveryResult]] | None:
    now = worker_actor().at
    try:
        keys = deliveries.secrets(endpoint, now)
        to = url_policy.target(decrypt(endpoint.encrypted_url), settings().webhook_networks)
    except (DecryptionError, DomainError) as problem:
        log.error("webhook %s turned off: %s", endpoint.id, problem)
        code = problem.text.code if isinstance(problem, DomainError) else "webhooks.unreadable_url"
        endpoints.switch(endpoint.id, False, worker_actor(), code)
        return None
    bodies = webhook_payloads.payloads(due)
    sends = []
    for delivery in due:
        body = bodies[delivery.id]
        if body is None:
            gone = DeliveryResult(delivery.id, None, "webhooks.subject_gone", hopeless=True)
            sends.append(partial(_given, gone))
            continue
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = signatures.headers(keys, deliveries.message_id(delivery), now, text)
        sends.append(partial(_send, delivery.id, to, headers, text))
    return sends


def _given(outcome: DeliveryResult) -> DeliveryResult:
    return outcome


def _send(
    delivery_id: int, to: url_policy.Target, headers: dict[str, str], body: bytes
) -> DeliveryResult:
    """Send one request. Runs in a thread, and does not touch the database."""
    sent = {
        "Content-Type": "application/json",
        "User-Agent": f"Laurel/{package.version()}",
        "Accept-Encoding": "identity",
        **headers,
    }
    answered = http_client.post(to, sent, body, settings().webhook_networks)
    return DeliveryResult(delivery_id, answered.status, answered.error, answered.wait)
