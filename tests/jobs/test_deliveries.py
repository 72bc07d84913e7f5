"""Deliveries: sent when due, signed, retried, given up; a dead endpoint doesn't delay others."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select, update
from standardwebhooks import Webhook, WebhookVerificationError

from jobs import context, periodic
from jobs import deliveries as job
from jobs.delivery_worker import JobThreads
from tests.adapters.fakes import LOOPBACK
from tests.counting import statements
from tests.domain.batches.test_processing import run
from tests.factories import Make
from tests.faults.console import await_
from tests.jobs.process import on_loopback
from tests.jobs.receiver import Handler, Receiver
from webapp import package
from webapp.database import db
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.awards import manual
from webapp.domain.errors import DomainError
from webapp.domain.leases import LeaseLostError
from webapp.domain.operations import maintenance
from webapp.domain.webhooks import deliveries, endpoints
from webapp.infrastructure import http_client
from webapp.infrastructure.http_client import Client
from webapp.models import AuditEvent, Award, Delivery, DeliveryState, Endpoint, Origin, WebhookEvent
from webapp.models.webhook import DEFAULT_EVENTS
from webapp.transaction import transaction

process = on_loopback


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
        made = endpoints.create(server.url, kinds or DEFAULT_EVENTS, LOOPBACK, actor())
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


def test_a_dead_endpoint_with_many_events_is_tried_a_few_times(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A120: then it is left alone for a while."""
    dead = receiver(lambda handler: handler.plain(500))
    endpoint_id, _ = endpoint(dead, WebhookEvent.AWARD_CREATED)
    run(make.batch(make.members(5_000), published=True).id, chunk=500)
    assert len(rows(endpoint_id)) == 5_000
    job.deliver(endpoint_id)
    assert len(dead.came) == job.AT_ONCE
    db.session.rollback()
    backoff_until = endpoints.get(endpoint_id).backoff_until
    assert backoff_until is not None
    assert deliveries.waiting(backoff_until - timedelta(seconds=1)) == []


def hang(handler: Handler, released: threading.Event) -> None:
    released.wait(120)
    handler.plain(200)


def drip(handler: Handler, released: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: ")
    while not released.wait(1):  # any faster, hundreds of them would starve this process
        handler.wfile.write(b"a")
        handler.wfile.flush()
    handler.wfile.write(b"\r\n\r\n")


@pytest.mark.parametrize("slowly", [hang, drip])
def test_slow_endpoints_delay_no_other(
    process: Flask,
    make: Make,
    receiver: Callable[..., Receiver],
    monkeypatch: pytest.MonkeyPatch,
    slowly: Callable[[Handler, threading.Event], None],
) -> None:
    """A-13: the healthy one's messages are all recorded before the first request to a slow one ends."""
    monkeypatch.setattr(job, "Client", partial(Client, seconds=120))
    released, threads = threading.Event(), JobThreads()
    slow, healthy = receiver(lambda handler: slowly(handler, released)), receiver()
    slow_ids = [endpoint(slow)[0] for _ in range(endpoints.MOST - 1)]
    healthy_id, _ = endpoint(healthy)
    number = 2 * job.AT_ONCE
    awarded(make, number)
    try:
        for endpoint_id in slow_ids:
            threads.run(job.deliver, endpoint_id)
        await_(lambda: len(slow.came) == job.AT_ONCE * len(slow_ids), 30, "they are all in use")
        threads.run(job.deliver, healthy_id)
        await_(lambda: {row.state for row in rows(healthy_id)} == {DeliveryState.DELIVERED})
        assert len(healthy.came) == number
        assert {row.state for row in rows(slow_ids[0])} == {DeliveryState.WAITING}
    finally:
        released.set()
    assert threads.wait(120)
    for endpoint_id in slow_ids:
        assert {row.state for row in rows(endpoint_id)} == {DeliveryState.DELIVERED}
    assert len(slow.came) == number * len(slow_ids)


def test_a_wake_up_during_a_delivery_is_not_lost(
    process: Flask, make: Make, receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-13: an event that commits just as the worker has found nothing more is sent without waiting for the clock."""
    server, threads = receiver(), JobThreads()
    endpoint_id, _ = endpoint(server)
    release, late = leases.release, iter([True])

    def commit_and_wake(*args: Any) -> None:
        if next(late, False):
            db.session.rollback()
            db.session.info.pop("writing")
            awarded(make)
            threads.run(job.deliver, endpoint_id)
            db.session.info["writing"] = True
        release(*args)

    monkeypatch.setattr(leases, "release", commit_and_wake)
    awarded(make)
    threads.run(job.deliver, endpoint_id)
    assert threads.wait(60)
    assert len(server.came) == 2


def test_large_sets_take_a_fixed_number_of_statements(
    process: Flask, make: Make, receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-13: messages are claimed and recorded as sets, and share the endpoint's connections."""
    monkeypatch.setattr(job, "ROUND_SECONDS", 60.0)
    peers: set[int] = set()

    def respond(handler: Handler) -> None:
        peers.add(handler.client_address[1])
        handler.plain(200)

    server = receiver(respond)
    endpoint_id, _ = endpoint(server, WebhookEvent.AWARD_CREATED)
    counted = []
    for number in (1, job.ROUND):
        run(make.batch(make.members(number, f"n{number}x"), published=True).id, chunk=500)
        peers.clear()
        with transaction():
            deliveries.claim(endpoint_id, "me", 60, actor().at)
        clients: list[Client] = []
        with statements() as sent:
            assert job._round(endpoint_id, "me", clients)
        for client in clients:
            client.close()
        with transaction():
            leases.release(Endpoint, endpoint_id, "me")
        counted.append(len(sent))
    assert counted[0] == counted[1]
    assert {row.state for row in rows(endpoint_id)} == {DeliveryState.DELIVERED}
    assert len(peers) <= job.AT_ONCE
    assert len(server.came) == 1 + job.ROUND


def test_a_stop_releases_the_endpoint(
    process: Flask, make: Make, receiver: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-13: what was sent is recorded, what was cut off is still due and doesn't count as an attempt."""
    monkeypatch.setattr(job, "Client", partial(Client, seconds=120))
    monkeypatch.setattr(job, "ROUND_SECONDS", 60.0)
    monkeypatch.setattr(context, "_stopping", False)
    arrived = iter(range(1_000_000))
    released, threads = threading.Event(), JobThreads()

    def respond(handler: Handler) -> None:
        if next(arrived) >= 3:
            released.wait(120)
        handler.plain(200)

    server = receiver(respond)
    endpoint_id, _ = endpoint(server)
    awarded(make, 50)
    try:
        threads.run(job.deliver, endpoint_id)
        await_(lambda: len(server.came) >= job.AT_ONCE + 3, 30, "every thread waits")
        context.stop_soon()
        http_client.cut_all()
        assert threads.wait(60)
    finally:
        released.set()
    states = [(row.state, row.attempts) for row in rows(endpoint_id)]
    assert states.count((DeliveryState.DELIVERED, 1)) == 3
    assert states.count((DeliveryState.WAITING, 0)) == 47
    assert deliveries.waiting(actor().at) == [endpoint_id]
    monkeypatch.setattr(context, "_stopping", False)
    job.deliver(endpoint_id)
    assert {row.state for row in rows(endpoint_id)} == {DeliveryState.DELIVERED}


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
            endpoint_id,
            "first",
            [deliveries.DeliveryResult((rows(endpoint_id)[0].id,), 200)],
            actor(),
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


def test_awards_of_a_batch_share_messages(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A-12: up to 500 in each, none missing or repeated; signed, and recorded as sets."""
    server = receiver()
    endpoint_id, secret = endpoint(server, WebhookEvent.AWARDS_CREATED)
    batch = make.batch(make.members(1_200), published=True)
    run(batch.id, chunk=500)
    with statements() as sent:
        job.deliver(endpoint_id)

    told: list[Any] = [Webhook(secret).verify(body, headers) for headers, body in server.came]
    assert {one["type"] for one in told} == {"awards.created"}
    assert sorted(len(one["data"]["awards"]) for one in told) == [200, 500, 500]
    listed = [int(award["id"]) for one in told for award in one["data"]["awards"]]
    made = db.session.scalars(select(Award.id).where(Award.batch_id == batch.id))
    assert sorted(listed) == sorted(made)
    assert {row.state for row in rows(endpoint_id)} == {DeliveryState.DELIVERED}
    assert len(sent) < 30
    job.deliver(endpoint_id)
    assert len(server.came) == 3


def test_a_shared_message_is_resent_as_it_was(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A-12: awards made since are sent in a message of their own; the same for a redelivery of one of its awards."""
    server = receiver(lambda handler: handler.plain(500))
    endpoint_id, _ = endpoint(server, WebhookEvent.AWARDS_CREATED)
    awarded(make, 3)
    job.deliver(endpoint_id)
    awarded(make, 2)
    server.respond = lambda handler: handler.plain(200)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=20)):
        job.deliver(endpoint_id)
    with transaction():
        endpoints.redeliver(endpoint_id, rows(endpoint_id)[1].id, actor())
    job.deliver(endpoint_id)

    sent = Counter((headers["webhook-id"], body) for headers, body in server.came)
    assert sorted(sent.values()) == [1, 3]
    assert len({message for message, _ in sent}) == 2
    states = [(row.state, row.attempts) for row in rows(endpoint_id)]
    assert states == [(DeliveryState.DELIVERED, 1)] * 3 + [(DeliveryState.DELIVERED, 1)] * 2


def test_a_shared_message_fails_as_one(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A-12: its deliveries stay due together, and one message is tried while the endpoint fails."""
    server = receiver(lambda handler: handler.plain(500))
    endpoint_id, _ = endpoint(server, WebhookEvent.AWARDS_CREATED)
    run(make.batch(make.members(600), published=True).id, chunk=600)
    job.deliver(endpoint_id)

    assert len(server.came) == 2
    due = {(row.message_id, row.next_at) for row in rows(endpoint_id)}
    assert len(due) == 2
    assert {(row.attempts, row.last_error) for row in rows(endpoint_id)} == {(1, "webhooks.status")}
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=20)):
        job.deliver(endpoint_id)
    assert len(server.came) == 3


def test_awards_that_no_longer_exist_are_left_out(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    server = receiver()
    endpoint_id, _ = endpoint(server, WebhookEvent.AWARDS_CREATED)
    first, second, third = awarded(make, 3)
    with transaction():
        db.session.execute(
            update(Delivery).where(Delivery.subject_id == second).values(subject_id=2**40)
        )
    job.deliver(endpoint_id)

    ((_, body),) = server.came
    assert [award["id"] for award in json.loads(body)["data"]["awards"]] == [str(first), str(third)]
    assert {row.state for row in rows(endpoint_id)} == {DeliveryState.DELIVERED}


def test_an_endpoint_gets_awards_alone_or_together(process: Flask) -> None:
    """A-12: not twice."""
    both = [WebhookEvent.AWARD_CREATED, WebhookEvent.AWARDS_CREATED]
    with pytest.raises(DomainError, match="either"), transaction():
        endpoints.create("https://hooks.example.org/", both, (), actor())


def test_everything_that_failed_is_sent_again(
    process: Flask, make: Make, receiver: Callable[..., Receiver]
) -> None:
    """A-12: given up or waiting for another attempt, since a time; not what arrived or failed before."""
    server = receiver()
    endpoint_id, _ = endpoint(server, WebhookEvent.AWARD_CREATED)
    awarded(make)
    job.deliver(endpoint_id)
    server.respond = lambda handler: handler.plain(400)
    awarded(make, 4)
    job.deliver(endpoint_id)
    early, lost = rows(endpoint_id)[1:3]
    with transaction():
        for row, ago in ((early, 5), (lost, 1)):
            db.session.execute(
                update(Delivery)
                .where(Delivery.id == row.id)
                .values(state=DeliveryState.FAILED, sent_at=row.at - timedelta(hours=ago))
            )
    server.respond = lambda handler: handler.plain(200)
    since = datetime.now(UTC) - timedelta(hours=2)
    with transaction():
        assert endpoints.redeliver_failed(endpoint_id, since, actor()) == 3
    with transaction():
        assert endpoints.redeliver_failed(endpoint_id, since, actor()) == 0
    job.deliver(endpoint_id)

    assert [row.state for row in rows(endpoint_id)] == [
        DeliveryState.DELIVERED,
        DeliveryState.FAILED,
        *[DeliveryState.DELIVERED] * 3,
    ]
    assert len(server.came) == 1 + 4 + 3
