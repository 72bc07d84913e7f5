"""`POST /awards` with all features, compared with a bare Flask route with one indexed insert, in alternation."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench.servers import CONSOLE, serve
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.permissions import Scope
from webapp.models import Origin
from webapp.transaction import transaction

if TYPE_CHECKING:
    from bench.measures import Bench

CALLERS = 4
REQUESTS = 400  # in a round


def rows(bench: Bench, rounds: int) -> list[tuple[str, str, str]]:
    """Rows of the table: requests per second of both, and the ratio. The queue must be running."""
    with bench.console.app.app_context(), transaction():
        actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
        key = api_keys.create("Bench", list(Scope), None, actor).text
    console, bare = _served(bench, CONSOLE), _served(bench, "bench.bare:create_app()")
    quest = bench.quest()
    _round(console, "/api/v1/awards", key, quest, 0)  # warm up
    _round(bare, "/awards", "", quest, 0)
    ours, floor = [], []
    for turn in range(1, rounds + 1):
        ours.append(_round(console, "/api/v1/awards", key, quest, turn))
        floor.append(_round(bare, "/awards", "", quest, turn))
    ratio = statistics.median(one / other for one, other in zip(floor, ours, strict=True))
    value = f"{_summary(ours)} / {_summary(floor)}, {ratio:.2f} x"
    return [(f"POST /awards beside a bare insert, requests/s, {CALLERS} callers", value, "")]


def _served(bench: Bench, app: str) -> int:
    settings = bench.console.settings
    database = settings.database_url.replace("+psycopg", "").removeprefix("sqlite:///")
    if settings.sqlite:
        database += ".bare"
    _, port = serve(bench.console, app, BARE_DATABASE=database)
    return port


def _round(port: int, path: str, key: str, quest: int, turn: int) -> float:
    """Requests per second of `CALLERS` with persistent connections, each award for another member."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    each = REQUESTS // CALLERS

    def send(caller: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for place in range(each):
            member = turn * REQUESTS + caller * each + place + 1
            body = json.dumps({"quest": str(quest), "member": {"id": f"ID{member}"}})
            status = 503
            while (
                status == 503
            ):  # SQLite has one writer and no queue for it: on a busy machine a request may time out
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            assert status == 201, status
        connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(send, range(CALLERS)))
    return each * CALLERS / (time.perf_counter() - began)


def _summary(rates: list[float]) -> str:
    return f"{statistics.median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})"
