"""Deliveries: sent when due, signed, retried, given up; a dead endpoint doesn't delay others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select, update
from standardwebhooks import Webhook, WebhookVerificationError

from jobs import context, periodic
from jobs import deliveries as job
from tests.domain.batches.test_processing import run
from tests.factories import Make
from tests.jobs.receiver import Handler, Receiver
from webapp import package
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import manual
from webapp.domain.leases import LeaseLostError
from webapp.domain.operations import maintenance
from webapp.domain.webhooks import deliveries, endpoints
from webapp.models import AuditEvent, Delivery, DeliveryState, Endpoint, Origin, WebhookEvent
from webapp.transaction import transaction

LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture
def process(app: Flask) -> Iterator[Flask]:
    """The app as in the job's process, allowed to send to loopback."""
    context.app.cache_clear()
    original, context.create_app = context.create_app, lambda **_: app
    before = app.config["LAUREL"]
    app.config["LAUREL"] = replace(before, webhook_networks=LOOPBACK)
    with app.app_context():
        yield app
    context.create_app = original
    context.app.cache_clear()
    app.config["LAUREL"] = before


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def build(respond: Callable[[Handler], None] | None = None) -> Receiver:
        made.append(Receiver(respond))
        return made[-1]

    yield build
    for one in made:
        one.close()


def actor(at: datetime | None = None) -> Actor:
    return Actor(at or datetime.now(UTC), Origin.CONSOLE)


def endpoint(server: Receiver, *kinds: WebhookEvent) -> tuple[int, str]:
    """An endpoint at a receiver: its id and its secret."""
    with transaction():
        made = endpoints.create(server.url, kinds or tuple(WebhookEvent), LOOPBACK, actor())
        return made.endpoint.id, made.secret


def awarded(make: Make, number: int = 1) -> list[int]:
    """Award to this many members by hand, with webhook events; return the awards' ids."""
    quest = make.quest()
    ids = []
    for member in make.members(number, f"m{quest.id}x"):
        with transaction():
            ids.append(manual.award(member, quest.id, "", actor()).award.id)
    return ids


def rows(endpoint_id: int) -> list[Delivery]:
    db.session.rollback()
    found = select(Delivery).where(Delivery.endpoint_id == endpoint_id).order_by(Delivery.id)
    return list(db.session.scalars(found))


def test_an_award_arrives_signed(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A-6, A119: verified by the specification's own library; changed, late or foreign messages are rejected."""
    server = receiver()
    endpoint_id, secret = endpoint(server)
    (award_id,) = awarded(make)
    job.deliver(endpoint_id)

    ((headers, body),) = server.came
    told: Any = Webhook(secret).verify(body, headers)
    assert told["type"] == "award.created"
    assert told["data"]["id"] == str(award_id)
    assert told["data"]["state"] == "active"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == f"Laurel/{package.version()}"
    for changed in (body.replace(b"active", b"absent"), body + b" "):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(changed, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 44).verify(body, headers)
    with (
        time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)),
        pytest.raises(WebhookVerificationError),
    ):
        Webhook(secret).verify(body, headers)
    (row,) = rows(endpoint_id)
    assert (row.state, row.attempts, row.response_status) == (DeliveryState.DELIVERED, 1, 200)
    job.deliver(endpoint_id)
    assert len(server.came) == 1


def test_both_secrets_sign_while_a_secret_is_changed(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A-6, A119: for a day; then only the new one."""
    server = receiver()
    endpoint_id, former = endpoint(server)
    with transaction():
        secret = endpoints.rotate(endpoint_id, actor()).secret
    awarded(make)
    job.deliver(endpoint_id)
    headers, body = server.came[0]
    assert Webhook(secret).verify(body, headers) == Webhook(former).verify(body, headers)
    assert headers["webhook-signature"].count("v1,") == 2
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        awarded(make)
        job.deliver(endpoint_id)
        headers, body = server.came[1]
        Webhook(secret).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(former).verify(body, headers)


def test_a_delivery_is_retried_for_three_days_and_then_fails(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A117: after 5 seconds, 5 minutes … with jitter, always with the same id and a new timestamp; then `failed`."""
    server = receiver(lambda handler: handler.plain(500))
    endpoint_id, _ = endpoint(server)
    awarded(make)
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False) as clock:
        for tries, wait in enumerate(deliveries.SCHEDULE, start=1):
            job.deliver(endpoint_id)
            (row,) = rows(endpoint_id)
            assert (row.state, row.attempts, row.response_status) == (
                DeliveryState.WAITING,
                tries,
                500,
            )
            assert row.error == "The receiver responded with 500."
            due = (row.next_at - datetime.now(UTC)).total_seconds()
            assert 0.99 * wait < due < 1.11 * wait
            clock.shift(timedelta(seconds=due - 1))
            job.deliver(endpoint_id)
            assert len(server.came) == tries, "before its time"
            clock.shift(timedelta(seconds=2))
            assert deliveries.waiting(datetime.now(UTC)) == [endpoint_id]
            db.session.rollback()
        job.deliver(endpoint_id)
        assert 75 * 3600 < (datetime.now(UTC) - start).total_seconds() < 84 * 3600
    (row,) = rows(endpoint_id)
    assert row.state == DeliveryState.FAILED
    assert len({headers["webhook-id"] for headers, _ in server.came}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in server.came}) == 10


def test_a_retry_after_header_is_respected(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A117: for all deliveries to that endpoint, up to an hour."""
    server = receiver(lambda handler: handler.plain(429, Retry_After="120"))
    endpoint_id, _ = endpoint(server)
    awarded(make, 3)
    job.deliver(endpoint_id)
    sent = len(server.came)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=100)):
        job.deliver(endpoint_id)
        assert len(server.came) == sent
    server.respond = lambda handler: handler.plain(204)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=125)):
        job.deliver(endpoint_id)
    assert {row.state for row in rows(endpoint_id)} == {DeliveryState.DELIVERED}


def test_a_410_response_switches_an_endpoint_off(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A117: 410; then no more deliveries are created until someone switches it on again."""
    server = receiver(lambda handler: handler.plain(410))
    endpoint_id, _ = endpoint(server)
    awarded(make)
    job.deliver(endpoint_id)

    off = endpoints.get(endpoint_id)
    assert (off.disabled_at is not None, off.disabled_reason) == (True, "webhooks.gone")
    assert [row.state for row in rows(endpoint_id)] == [DeliveryState.FAILED]
    assert (
        db.session.scalar(select(func.count()).where(AuditEvent.verb == "endpoint.disabled")) == 1
    )
    awarded(make)
    assert len(rows(endpoint_id)) == 1
    server.respond = lambda handler: handler.plain(200)
    with transaction():
        endpoints.switch(endpoint_id, True, actor())
    awarded(make)
    job.deliver(endpoint_id)
    assert rows(endpoint_id)[-1].state == DeliveryState.DELIVERED


def test_a_failing_endpoint_gets_one_delivery_and_then_all(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A120: it is not flooded while it is down, and gets everything once it is up again."""
    server = receiver(lambda handler: handler.plain(503))
    endpoint_id, _ = endpoint(server, WebhookEvent.AWARD_CREATED)
    awarded(make, 30)
    job.deliver(endpoint_id)
    assert len(server.came) == job.AT_ONCE
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=20)):
        job.deliver(endpoint_id)
        assert len(server.came) == job.AT_ONCE + 1
    server.respond = lambda handler: handler.plain(200)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=700)):
        job.deliver(endpoint_id)
    assert {row.state for row in rows(endpoint_id)} == {DeliveryState.DELIVERED}
    assert len({headers["webhook-id"] for headers, _ in server.came}) == 30


def test_a_dead_endpoint_with_many_events_does_not_delay_another_endpoint(
    process: Flask, make: Make, receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A120: the other endpoint's delivery doesn't wait for them."""
    monkeypatch.setattr(job.http_client, "post", _quickly(job.http_client.post))
    dead, alive = receiver(lambda handler: time.sleep(20)), receiver()
    dead_id, _ = endpoint(dead, WebhookEvent.AWARD_CREATED)
    alive_id, _ = endpoint(alive, WebhookEvent.BATCH_FINISHED)
    batch = make.batch(make.members(5_000), published=True)
    run(batch.id, chunk=500)
    assert len(rows(dead_id)) == 5_000
    began = time.monotonic()
    waiting = deliveries.waiting(actor().at)
    db.session.rollback()
    assert waiting == [dead_id, alive_id]
    for endpoint_id in waiting:
        job.deliver(endpoint_id)
    assert time.monotonic() - began < 40  # twenty at once, not sequentially
    ((_, body),) = alive.came
    assert json.loads(body)["data"]["id"] == str(batch.id)
    db.session.rollback()
    backoff_until = endpoints.get(dead_id).backoff_until
    assert backoff_until is not None
    waiting = deliveries.waiting(backoff_until - timedelta(seconds=1))
    assert waiting == [], "the dead one is left alone for a while"
    assert len(dead.came) == job.AT_ONCE


def _quickly(post: Callable[..., Any]) -> Callable[..., Any]:
    def quick(*args: Any, **more: Any) -> Any:
        return post(*args, seconds=2, **more)

    return quick


def test_two_workers_never_send_for_one_endpoint(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A-6: one of two claims succeeds; a worker that lost the lease writes nothing."""
    server = receiver()
    endpoint_id, _ = endpoint(server)
    awarded(make)
    with transaction():
        assert deliveries.claim(endpoint_id, "first", 30, actor().at)
    with transaction():
        assert not deliveries.claim(endpoint_id, "second", 30, actor().at)
    job.deliver(endpoint_id)
    assert server.came == []
    with transaction():
        db.session.execute(update(Endpoint).values(lease_owner="second"))
    with transaction():
        with pytest.raises(LeaseLostError):
            deliveries.take(endpoint_id, "first", 30, 5, actor().at)
        assert not deliveries.record_outcomes(
            endpoint_id, "first", [deliveries.DeliveryResult(rows(endpoint_id)[0].id, 200)], actor()
        )
    assert rows(endpoint_id)[0].state == DeliveryState.WAITING


def test_redeliver_and_test(process: Flask, make: Make, receiver: Callable[..., Receiver]) -> None:
    """A-6: a redelivery has the same id; a test message has no event data."""
    server = receiver()
    endpoint_id, _ = endpoint(server)
    awarded(make)
    job.deliver(endpoint_id)
    with transaction():
        endpoints.redeliver(endpoint_id, rows(endpoint_id)[0].id, actor())
    job.deliver(endpoint_id)
    with transaction():
        endpoints.test(endpoint_id, actor())
    job.deliver(endpoint_id)

    first, again, test = (headers["webhook-id"] for headers, _ in server.came)
    assert first == again != test
    assert json.loads(server.came[2][1])["type"] == "webhook.test"
    assert server.came[0][1] == server.came[1][1]


def test_the_clock_enqueues_purges_and_reencrypts(
    process: Flask, make: Make, receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-6: it enqueues due deliveries, gives up old ones, and deletes those that ended long ago."""
    rung: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(
        periodic.job_queue, "enqueue_missing", lambda name, ids: rung.append((name, ids))
    )
    server = receiver()
    endpoint_id, _ = endpoint(server)
    awarded(make, 2)
    periodic.requeue_pending()
    assert [one for one in rung if one[1]] == [("deliver", [endpoint_id])]
    with transaction():
        maintenance.purge_expired(datetime.now(UTC) + timedelta(hours=90))
    assert {row.state for row in rows(endpoint_id)} == {DeliveryState.FAILED}
    with transaction():
        maintenance.purge_expired(datetime.now(UTC) + timedelta(days=15))
    assert rows(endpoint_id) == []
    before = process.config["SECRET_KEY"]
    try:
        process.config["SECRET_KEY"] = "another" * 9
        process.config["SECRET_KEY_FALLBACKS"] = [before]
        with transaction():
            maintenance.purge_expired(datetime.now(UTC))
        process.config["SECRET_KEY_FALLBACKS"] = []
        awarded(make)
        job.deliver(endpoint_id)
        assert len(server.came) == 1
        process.config["SECRET_KEY"] = "a third one, which opens nothing"
        awarded(make)
        job.deliver(endpoint_id)
        assert endpoints.get(endpoint_id).disabled_at is not None
    finally:
        process.config["SECRET_KEY"], process.config["SECRET_KEY_FALLBACKS"] = before, []
