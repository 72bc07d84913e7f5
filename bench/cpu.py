"""CPU of one request in this process: median milliseconds, statements, and the ratio to a bare route.

The bare route of a page is a Flask app that returns the same text, plus the time of rendering the page's template once
more with the values it was rendered with.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from flask import Flask, template_rendered

from tests.counting import statements
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.permissions import Scope
from webapp.models import Origin
from webapp.transaction import transaction

if TYPE_CHECKING:
    from bench.measures import Bench

ROUNDS = 100
WARM_UP = 10

# Path, whether htmx requests it, and the goal.
PAGES = (
    ("usernames while typing", "/batches/usernames?member=member1&by=username", True, ""),
    ("a batch's polled part", "/batches/{batch}", True, ""),
    ("Home", "/", False, "2 x"),
    ("Home's polled part", "/", True, ""),
    ("search", "/search?q=number+77", False, "2 x"),
    ("search while typing", "/search/results?q=number+77", True, ""),
    ("members", "/members", False, "2 x"),
    ("members, two words", "/members?q=number+77", False, "2 x"),
    ("list of batches", "/batches", False, "2 x"),
    ("badges", "/badges", False, "2 x"),
    ("profile", "/members/5", False, "2 x"),
)


def rows(bench: Bench) -> list[tuple[str, str, str]]:
    """Rows of the table: request, milliseconds of CPU with ratio and number of statements, goal."""
    return [*_api(bench), *_pages(bench)]


def _api(bench: Bench) -> Iterator[tuple[str, str, str]]:
    with bench.console.app.app_context(), transaction():
        actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
        key = api_keys.create("CPU", list(Scope), None, actor).text
    client, quest, serial = bench.console.app.test_client(), bench.quest(), count(1)
    headers, awards = {"Authorization": f"Bearer {key}"}, []

    def award() -> None:
        body = {"quest": str(quest), "member": {"id": f"ID{next(serial)}"}}
        answer = client.post("/api/v1/awards", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        awards.append(answer.json["id"])  # type: ignore[index]

    def revoke() -> None:
        address = f"/api/v1/awards/{awards.pop()}/revocation"
        answer = client.post(address, json={"reason": "Bench"}, headers=headers)
        assert answer.status_code == 200, answer.text

    def read() -> None:
        answer = client.get("/api/v1/members?q=member1", headers=headers)
        assert answer.status_code == 200, answer.text

    for name, call in (
        ("POST /awards", award),
        ("POST /awards/…/revocation", revoke),
        ("GET /members", read),
    ):
        with bench.console.app.app_context(), statements() as sent:
            call()
        number = len(sent)
        times = [_cpu(call) for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
        if call is award:  # one more for each time that it is revoked
            for _ in range(2):
                call()
        yield f"CPU, {name}", _told(statistics.median(times), number), ""


def _pages(bench: Bench) -> Iterator[tuple[str, str, str]]:
    app, browser, batch = bench.console.app, bench.browser(), bench.published(bench.quest(), 100)
    bare = Flask("bare")
    text = ""
    bare.add_url_rule("/", view_func=lambda: text)
    plain = bare.test_client()
    for name, path, htmx, goal in PAGES:
        path = path.format(batch=batch)

        def call(path: str = path, htmx: bool = htmx) -> Any:
            answer = browser.get(path, review=False, htmx=htmx)
            assert answer.status_code == 200, answer.text
            return answer

        with app.app_context(), statements() as sent:
            call()
        number = len(sent)
        text = call().text
        ours, floors = [], []
        with _rendered_again(app) as again:
            for _ in range(WARM_UP + ROUNDS):
                again[0] = 0.0
                taken = _cpu(call)
                ours.append(taken - again[0])
                floors.append(again[0] + _cpu(lambda: plain.get("/")))
        mine, floor = (statistics.median(times[WARM_UP:]) for times in (ours, floors))
        yield f"CPU, {name}", f"{_told(mine, number)}, {mine / floor:.2f} x", goal


@contextmanager
def _rendered_again(app: Flask) -> Iterator[list[float]]:
    """Render each template a second time, and add the CPU that this takes to the list's only item."""
    taken, busy = [0.0], [False]

    def again(_sender: Flask, template: Any, context: dict[str, Any], **_more: Any) -> None:
        if not busy[0]:
            busy[0] = True
            taken[0] += _cpu(lambda: template.render(context))
            busy[0] = False

    with template_rendered.connected_to(again, app):
        yield taken


def _cpu(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _told(seconds: float, number: int) -> str:
    return f"{1000 * seconds:.2f} ms, {number} statements"
