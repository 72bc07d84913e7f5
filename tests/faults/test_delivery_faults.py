"""Webhooks with real processes: none is lost, whichever process dies, and a slow receiver delays only its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import func, select
from standardwebhooks import Webhook

from jobs.deliveries import AT_ONCE
from tests.faults.conftest import QUICK
from tests.faults.console import Console, await_
from tests.faults.forked import Forked
from tests.jobs.receiver import Handler, Receiver
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import manual
from webapp.domain.webhooks import endpoints
from webapp.infrastructure import job_queue
from webapp.models import Delivery, DeliveryState, Endpoint, Origin, WebhookEvent
from webapp.transaction import transaction

LOOPBACK = "127.0.0.0/8"


@pytest.fixture
def console(consoles: Callable[..., Console]) -> Console:
    """An installation with short leases and quick ticks, its queue and its clock; webhooks may reach loopback."""
    made = consoles(**QUICK, LAUREL_WEBHOOK_NETWORKS=LOOPBACK)
    made.start_queue()
    made.start_clock()
    return made


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def build(respond: Callable[[Handler], None] | None = None) -> Receiver:
        made.append(Receiver(respond))
        return made[-1]

    yield build
    for one in made:
        one.close()


def actor() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


def endpoint(console: Console, server: Receiver) -> tuple[int, str]:
    """An endpoint for awards at a receiver: its id and its secret."""
    with console.app.app_context(), transaction():
        made = endpoints.create(server.url, [WebhookEvent.AWARD_CREATED], (LOOPBACK,), actor())
        return made.endpoint.id, made.secret


def awarded(console: Console) -> None:
    """An award by hand, with its webhooks."""
    member, quest = console.make.member(), console.make.quest()
    with console.app.app_context(), transaction():
        manual.award(member.id, quest.id, "", actor())


def all_delivered(console: Console, endpoint_id: int) -> bool:
    left = select(func.count()).where(
        Delivery.endpoint_id == endpoint_id, Delivery.state != DeliveryState.DELIVERED
    )
    return console.read(lambda: db.session.scalar(left)) == 0


def holder(console: Console, endpoint_id: int) -> str | None:
    return console.read(lambda: db.session.get_one(Endpoint, endpoint_id).lease_owner)


def test_a_delivery_whose_worker_was_killed_is_sent_again_under_the_same_id(
    console: Console, receiver: Callable[..., Receiver]
) -> None:
    """A118: with a new timestamp; each message verifies."""
    workers = [console.start_deliveries()]

    def respond(handler: Handler) -> None:
        if len(workers) == 1:
            workers[0].kill()
            workers[0].wait()
            workers.append(console.start_deliveries())
        handler.plain(200)

    server = receiver(respond)
    endpoint_id, secret = endpoint(console, server)
    awarded(console)
    await_(lambda: all_delivered(console, endpoint_id), 30, console.log)
    (first, body), (second, again) = server.came[:2]
    assert first["webhook-id"] == second["webhook-id"]
    assert int(first["webhook-timestamp"]) < int(second["webhook-timestamp"])
    assert body == again
    assert Webhook(secret).verify(body, first) == Webhook(secret).verify(again, second)


def test_nothing_is_lost_while_workers_are_killed(
    console: Console, receiver: Callable[..., Receiver]
) -> None:
    """A-13: kill -9 of both kinds of workers and of the queue, at certain messages of a batch's 400."""
    size, lock = 400, threading.Lock()
    workers = {"jobs.worker": console.start_worker()}
    workers["jobs.delivery_worker"] = console.start_deliveries()
    killed: list[str] = []

    def restart(name: str) -> None:
        workers[name].kill()
        workers[name].wait()
        workers[name] = console.start(name)

    def restart_queue() -> None:
        console.kill_queue()
        console.start_queue()

    moments: dict[int, Callable[[], None]] = {
        5: lambda: restart("jobs.worker"),
        40: lambda: restart("jobs.delivery_worker"),
        120: restart_queue,
        200: lambda: restart("jobs.delivery_worker"),
    }

    def respond(handler: Handler) -> None:
        with lock:
            due = [moment for moment in moments if len(server.came) >= moment]
            for moment in due:
                moments.pop(moment)()
                killed.append(str(moment))
        handler.plain(200)

    server = receiver(respond)
    endpoint_id, _ = endpoint(console, server)
    batch = console.make.batch(console.make.members(size), published=True)
    await_(lambda: not console.batch(batch.id).running, 60, console.log)
    await_(lambda: all_delivered(console, endpoint_id), 60, console.log)
    assert len(killed) == 4
    assert len({headers["webhook-id"] for headers, _ in server.came}) == size == console.awards()


def test_an_endpoint_that_hangs_delays_neither_batches_nor_others(
    console: Console, receiver: Callable[..., Receiver]
) -> None:
    """A-13: a batch is published and its messages arrive while every request to the other endpoint hangs."""
    released = threading.Event()

    def hang(handler: Handler) -> None:
        released.wait(600)
        handler.plain(200)

    hanging, healthy = receiver(hang), receiver()
    hanging_id, _ = endpoint(console, hanging)
    healthy_id, _ = endpoint(console, healthy)
    console.start_worker()
    console.start_deliveries()
    members = console.make.members(2 * AT_ONCE)
    try:
        first = console.make.batch(members, published=True)
        await_(lambda: not console.batch(first.id).running, 30, console.log)
        await_(lambda: len(hanging.came) >= AT_ONCE, 30, console.log)
        second = console.make.batch(members, published=True)
        await_(lambda: not console.batch(second.id).running, 30, console.log)
        await_(lambda: all_delivered(console, healthy_id), 30, console.log)
        assert len(healthy.came) == 2 * len(members)
        assert not all_delivered(console, hanging_id)
    finally:
        released.set()
    await_(lambda: all_delivered(console, hanging_id), 60, console.log)


def test_sigterm_ends_the_worker_although_a_receiver_hangs(
    console: Console, receiver: Callable[..., Receiver]
) -> None:
    """A-13, R7: exit code 0, the endpoint is released, and the next worker sends what was cut off."""
    released = threading.Event()

    def hang(handler: Handler) -> None:
        released.wait(600)
        handler.plain(200)

    server = receiver(hang)
    endpoint_id, _ = endpoint(console, server)
    worker = console.start_deliveries()
    try:
        awarded(console)
        await_(lambda: server.came, 30, console.log)
        ended_by(worker, signal.SIGTERM)
        assert holder(console, endpoint_id) is None
    finally:
        released.set()
    console.start_deliveries()
    await_(lambda: all_delivered(console, endpoint_id), 30, console.log)
    ids = {headers["webhook-id"] for headers, _ in server.came}
    assert len(ids) == 1


def test_sigterm_ends_the_worker_while_the_queue_is_away(console: Console) -> None:
    console.kill_queue()
    worker = console.start_deliveries()
    await_(lambda: "waiting for the queue" in console.log(), 30, console.log)
    ended_by(worker, signal.SIGTERM)


def test_no_garbage_in_the_queue_stops_the_delivery_worker(
    console: Console, receiver: Callable[..., Receiver]
) -> None:
    """J20, S11: after each of these, it continues by itself."""
    server = receiver()
    endpoint_id, _ = endpoint(console, server)
    worker, queue = console.start_deliveries(), console.redis()
    deliveries = Queue(job_queue.DELIVERIES, connection=queue, serializer=JSONSerializer)

    def enqueue(function: str, *arguments: object) -> None:
        deliveries.enqueue(function, *arguments)

    deliver = job_queue.JOBS["deliver"]
    for poison in (
        lambda: enqueue("os.mkdir", str(console.folder / "made-by-a-foreign-job")),
        lambda: enqueue(deliver, "x"),
        lambda: enqueue(deliver, 10**30),
        lambda: enqueue(deliver),
        lambda: queue.rpush(deliveries.key, b"\xff\xfe garbage"),
        lambda: queue.rpush(deliveries.key, "nothing"),
        lambda: (queue.delete(deliveries.key), queue.set(deliveries.key, "text")),
    ):
        poison()
        awarded(console)
        await_(lambda: all_delivered(console, endpoint_id), 60, console.log)
    assert worker.poll() is None
    assert not (console.folder / "made-by-a-foreign-job").exists()


def ended_by(worker: Forked, number: signal.Signals) -> None:
    worker.send_signal(number)
    assert worker.wait(60) == 0
