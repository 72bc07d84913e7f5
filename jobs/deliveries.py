"""Send an endpoint's pending outbox messages, several at a time. Each endpoint has threads of its own."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from jobs.context import job, settings, stopping, worker_actor
from jobs.time_slice import Steps, run_slices
from webapp import package
from webapp.domain import leases
from webapp.domain.errors import DomainError
from webapp.domain.webhooks import deliveries, endpoints, signatures, url_policy
from webapp.domain.webhooks.deliveries import DeliveryResult, OutgoingMessage
from webapp.infrastructure import http_client, job_queue
from webapp.infrastructure.encryption import DecryptionError, decrypt
from webapp.infrastructure.http_client import Client
from webapp.infrastructure.network_policy import Target
from webapp.models import Endpoint
from webapp.schemas import webhook_payloads
from webapp.transaction import transaction

log = logging.getLogger(__name__)

AT_ONCE = 10  # concurrent requests to one endpoint
ROUND = 200  # messages claimed and recorded together
ROUND_SECONDS = 1.0  # after which a round sends no further messages

Send = Callable[[Client], DeliveryResult]


@job
def deliver(endpoint_id: int) -> None:
    run_slices(
        "deliver",
        Endpoint,
        endpoint_id,
        claim=partial(deliveries.claim, endpoint_id),
        steps=partial(_rounds, endpoint_id),
        others_wait=lambda: False,  # other endpoints have their own threads
    )


@job
def deliver_due() -> None:
    """Enqueue the endpoints that have due messages. Those being sent to are told to look again."""
    job_queue.enqueue_missing("deliver", deliveries.waiting(worker_actor().at, leased=True))


def _rounds(endpoint_id: int, owner: str, _claimed: Endpoint) -> Steps:
    clients: list[Client] = []  # their connections are kept from round to round
    try:
        while _round(endpoint_id, owner, clients):
            yield True
    finally:
        for client in clients:
            client.close()
    with transaction():
        leases.release(Endpoint, endpoint_id, owner)


def _round(endpoint_id: int, owner: str, clients: list[Client]) -> bool:
    """Send due messages, at most ROUND; True if more may be due now."""
    with transaction():
        lease = settings().lease_seconds  # longer than a round: a request takes ten seconds at most
        endpoint, due = deliveries.take(endpoint_id, owner, lease, ROUND, worker_actor().at)
        if not due:
            return False
        to = _target(endpoint)
        sends = _prepared(endpoint, due) if to else None
    if to is None or sends is None:
        return False
    _connect(clients, to)
    outcomes = _Round(sends).send(clients)
    if not outcomes:  # the process was asked to stop
        return True
    with transaction():
        return deliveries.record_outcomes(endpoint_id, owner, outcomes, worker_actor())


def _connect(clients: list[Client], to: Target) -> None:
    """Provide clients for a target, replacing those for another."""
    if clients and clients[0].to == to:
        return
    for client in clients:
        client.close()
    clients[:] = [Client(to, settings().webhook_networks) for _ in range(AT_ONCE)]


class _Round:
    """Sends messages in their order, AT_ONCE at a time.

    Further ones follow until a message fails, so that an endpoint that is down isn't sent hundreds, and until
    ROUND_SECONDS are over, so that the lease lasts and results are recorded soon.
    """

    def __init__(self, sends: list[Send]) -> None:
        self.sends, self.count = iter(sends), len(sends)
        self.lock = threading.Lock()
        self.begun, self.failed = 0, False
        self.until = time.monotonic() + ROUND_SECONDS
        self.outcomes: list[DeliveryResult] = []

    def send(self, clients: list[Client]) -> list[DeliveryResult]:
        """Return the outcomes of the messages sent; the others are still due."""
        threads = [
            # They never keep the process from ending: what they send is due until it is recorded.
            threading.Thread(target=self._work, args=(client,), daemon=True)
            for client in clients[: self.count]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.outcomes

    def _work(self, client: Client) -> None:
        with suppress(http_client.CutOffError):
            while send := self._next():
                outcome = send(client)
                self.failed = self.failed or not (outcome.arrived or outcome.hopeless)
                self.outcomes.append(outcome)

    def _next(self) -> Send | None:
        with self.lock:
            over = self.failed or time.monotonic() > self.until
            if stopping() or (over and self.begun >= AT_ONCE):
                return None
            self.begun += 1
            return next(self.sends, None)


def _target(endpoint: Endpoint) -> Target | None:
    """Return where to send; an endpoint whose address can't be used is turned off."""
    try:
        return url_policy.target(decrypt(endpoint.encrypted_url), settings().webhook_networks)
    except (DecryptionError, DomainError) as problem:
        _turn_off(endpoint, problem)
        return None


def _turn_off(endpoint: Endpoint, problem: DecryptionError | DomainError) -> None:
    log.error("webhook %s turned off: %s", endpoint.id, problem)
    code = problem.text.code if isinstance(problem, DomainError) else "webhooks.unreadable_url"
    endpoints.switch(endpoint.id, False, worker_actor(), code)


def _prepared(endpoint: Endpoint, due: list[OutgoingMessage]) -> list[Send] | None:
    now = worker_actor().at
    try:
        keys = deliveries.secrets(endpoint, now)
    except DecryptionError as problem:
        _turn_off(endpoint, problem)
        return None
    sends: list[Send] = []
    for message, body in zip(due, webhook_payloads.payloads(due), strict=True):
        if body is None:
            gone = DeliveryResult(
                message.delivery_ids, None, "webhooks.subject_gone", hopeless=True
            )
            sends.append(partial(_give, gone))
            continue
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = signatures.headers(keys, message.id, now, text)
        sends.append(partial(_send, message.delivery_ids, headers, text))
    return sends


def _give(outcome: DeliveryResult, _client: Client) -> DeliveryResult:
    return outcome


def _send(
    delivery_ids: tuple[int, ...], headers: dict[str, str], body: bytes, client: Client
) -> DeliveryResult:
    """Send one request. Runs in a thread, and does not touch the database."""
    sent = {
        "Content-Type": "application/json",
        "User-Agent": f"Laurel/{package.version()}",
        "Accept-Encoding": "identity",
        **headers,
    }
    answered = client.post(sent, body)
    return DeliveryResult(delivery_ids, answered.status, answered.error, answered.wait)
