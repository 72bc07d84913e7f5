"""Webhooks: their rate to a local receiver, and what twenty endpoints that hang or drip delay."""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import func, select, update

from bench.measures import Bench, quantile
from tests.faults.console import Console, await_
from webapp.database import db
from webapp.domain.awards import manual
from webapp.domain.batches import runs
from webapp.domain.webhooks import endpoints
from webapp.infrastructure import job_queue
from webapp.models import Delivery, DeliveryState, Endpoint, WebhookEvent
from webapp.transaction import transaction

LOOPBACK = ("127.0.0.0/8",)
SLOW = 20
EVENTS = 100  # of which the healthy endpoint's delay is measured
EVERY = 0.05  # seconds
Row = tuple[str, str, str]


class Receiver:
    """Answers `/quick` at once, `/hang` never, and `/drip` a byte at a time; `came` has the arrivals at `/quick`."""

    def __init__(self) -> None:
        self.came: list[tuple[float, bytes]] = []
        self.slow = 0
        self.port = 0
        ready = threading.Event()
        threading.Thread(target=asyncio.run, args=(self._serve(ready),), daemon=True).start()
        ready.wait()

    def url(self, how: str) -> str:
        return f"http://127.0.0.1:{self.port}/{how}"

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                body = await reader.readexactly(size)
                if b" /quick " in head:
                    self.came.append((time.perf_counter(), body))
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                else:
                    self.slow += 1
                    await _never_end(writer, drip=b" /drip " in head)
        writer.close()


async def _never_end(writer: asyncio.StreamWriter, *, drip: bool) -> None:
    if drip:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        await asyncio.sleep(0.2)
        if drip:
            writer.write(b"a")
            await writer.drain()


def rows(bench: Bench, rounds: int, number: int = 5_000) -> list[Row]:
    """Rows of the table, from a console with a worker for batches and one for deliveries."""
    with bench.another("hooks", LAUREL_WEBHOOK_NETWORKS=LOOPBACK[0]) as console:
        console.start_queue()
        console.start_worker()
        console.start_deliveries()
        measure = _Measure(bench, console)
        rates = [measure.rate(number) for _ in range(rounds)]
        together = [measure.batch_together(number) for _ in range(rounds)]
        alone = [measure.batch_of_ten() for _ in range(20)]
        measure.add_slow()
        beside = [measure.batch_of_ten() for _ in range(20)]
        delays = measure.delays()
    before, after = (1000 * statistics.median(times) for times in (alone, beside))
    p50, p95 = (1000 * quantile(delays, part) for part in (0.5, 0.95))
    rate = f"{statistics.median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})"
    last = f"{statistics.median(together):.1f} ({min(together):.1f}-{max(together):.1f}) s"
    return [
        (f"Batch of {number:,}, from Publish to the last awards.created", last, "3 s"),
        (f"Webhooks to a local receiver, {number:,}, messages/s", rate, "600"),
        (f"Batch of ten beside {SLOW} slow endpoints", f"{after:.0f} / {before:.0f} ms", "1 x"),
        ("A healthy endpoint beside them, p50 / p95", f"{p50:.0f} / {p95:.0f} ms", "1000 ms"),
    ]


class _Measure:
    def __init__(self, bench: Bench, console: Console) -> None:
        self.bench, self.console, self.receiver = bench, console, Receiver()
        self.quick = self._endpoint("quick")
        self.made = 0

    def rate(self, number: int) -> float:
        """Messages per second, from the wake-up until the last one is recorded as delivered."""
        self._pause(timedelta(hours=1))
        self._publish(number)
        self._pause(timedelta())
        before = len(self.receiver.came)
        began = time.perf_counter()
        with self.console.app.app_context(), transaction():
            job_queue.enqueue_after_commit("deliver", self.quick)
        await_(lambda: not self._waiting(), 60, self.console.log)
        taken = time.perf_counter() - began
        assert len(self.receiver.came) - before == number
        return number / taken

    def batch_together(self, number: int) -> float:
        """Seconds from `Publish` until every award of the batch has arrived in a message with others."""
        self._listen(WebhookEvent.AWARDS_CREATED)
        before = len(self.receiver.came)
        began = time.perf_counter()
        self._publish(number)
        await_(lambda: not self._waiting(), 60, self.console.log)
        messages = self.receiver.came[before:]
        told = [json.loads(body)["data"]["awards"] for _, body in messages]
        assert len({award["id"] for awards in told for award in awards}) == number
        self._listen(WebhookEvent.AWARD_CREATED)
        return messages[-1][0] - began

    def _listen(self, kind: WebhookEvent) -> None:
        with self.console.app.app_context(), transaction():
            url = self.receiver.url("quick")
            endpoints.change(self.quick, url, [kind], LOOPBACK, self.bench.actor())

    def batch_of_ten(self) -> float:
        return self._publish(10)

    def add_slow(self) -> None:
        """Add the slow endpoints, and wait until each holds a request."""
        most, endpoints.MOST = endpoints.MOST, SLOW + 1
        for number in range(SLOW):
            self._endpoint("hang" if number % 2 else "drip")
        endpoints.MOST = most
        self._publish(10)
        await_(lambda: self.receiver.slow >= SLOW, 30, self.console.log)

    def delays(self) -> list[float]:
        """Seconds from the commit of an award until its message arrives at the healthy endpoint."""
        quest, committed = self.console.make.quest(), {}
        members = self._members(EVENTS)
        for member in members:
            with self.console.app.app_context():
                with transaction():
                    award = manual.award(member, quest.id, "", self.bench.actor()).award.id
                committed[str(award)] = time.perf_counter()
            time.sleep(EVERY)
        await_(lambda: not self._waiting(), 60, self.console.log)
        came = [(at, json.loads(body)["data"]) for at, body in self.receiver.came]
        arrived = {data["id"]: at for at, data in came if "id" in data}
        return [arrived[award] - at for award, at in committed.items()]

    def _endpoint(self, how: str) -> int:
        with self.console.app.app_context(), transaction():
            kinds = [WebhookEvent.AWARD_CREATED]
            actor = self.bench.actor()
            return endpoints.create(self.receiver.url(how), kinds, LOOPBACK, actor).endpoint.id

    def _members(self, number: int) -> list[int]:
        self.made += 1
        return self.console.make.members(number, f"b{self.made}x")

    def _publish(self, number: int) -> float:
        """Seconds from `Publish` to `Published`."""
        batch = self.console.make.batch(self._members(number))
        began = time.perf_counter()
        with self.console.app.app_context(), transaction():
            runs.publish(batch.id, self.bench.actor())
        await_(lambda: not self.console.batch(batch.id).running, 60, self.console.log)
        return time.perf_counter() - began

    def _pause(self, duration: timedelta) -> None:
        with self.console.app.app_context(), transaction():
            until = self.bench.actor().at + duration
            db.session.execute(update(Endpoint).values(backoff_until=until))

    def _waiting(self) -> int:
        query = select(func.count()).where(
            Delivery.endpoint_id == self.quick, Delivery.state == DeliveryState.WAITING
        )
        return self.console.read(lambda: db.session.scalar(query)) or 0
