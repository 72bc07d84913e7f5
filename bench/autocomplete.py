"""Username suggestions, compared with a bare Flask route with the same query, at full size and at 10,000."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from bench import community
from bench.floors import Floor
from tests.faults.console import Console
from tests.pages.client import ReviewingClient
from webapp.models import Role

if TYPE_CHECKING:
    from bench.measures import Bench

ASKED = 400
SMALL = 10_000
QUERY = (
    "SELECT id, username, name FROM members "
    "WHERE username_key >= {mark} AND username_key < {mark} ORDER BY username_key LIMIT 10"
)


def rows(bench: Bench, kind: str) -> list[tuple[str, str, str]]:
    """Rows of the table: the p95 at full size against the bare route, and against the p95 at 10,000 members."""
    large, bare = _measure(bench.console, bench.floor, bench.size)
    told = [_row(bench.size, large, bare)]
    if kind == "sqlite":
        small, bare = _in_another("", Path(tempfile.mkdtemp(prefix="a-")))
    else:
        small, bare = _in_another(_new_database(bench), Path(tempfile.mkdtemp(prefix="a-")))
    told.append(_row(SMALL, small, bare))
    told.append(
        (f"Usernames, p95 at {bench.size:,} against {SMALL:,}", f"{large / small:.2f} x", "1.3 x")
    )
    return told


def _row(size: int, ours: float, bare: float) -> tuple[str, str, str]:
    value = f"{1000 * ours:.2f} / {1000 * bare:.2f} ms, {ours / bare:.2f} x"
    return f"Usernames while typing, p95 beside a bare route, {size:,}", value, "3 x"


def _in_another(url: str, folder: Path) -> tuple[float, float]:
    console = Console(url, folder)
    floor = Floor(console.settings)
    try:
        quest = console.make.quest()
        with console.app.app_context():
            community.raise_if_any(SMALL, quest.id)
        return _measure(console, floor, SMALL)
    finally:
        floor.close()
        console.stop()


def _new_database(bench: Bench) -> str:
    bench.floor.connection.execute("DROP DATABASE IF EXISTS small")
    bench.floor.connection.execute("CREATE DATABASE small")
    head, mark, tail = bench.console.settings.database_url.partition("?")
    return f"{head.rpartition('/')[0]}/small{mark}{tail}"


def _measure(console: Console, floor: Floor, size: int) -> tuple[float, float]:
    """The p95 of the console's route and of the bare one, in seconds, measured in alternation."""
    staff = console.make.staff(Role.ADMIN)
    browser = ReviewingClient(console.app, None, use_cookies=True).sign_in(staff)
    plain = _bare(floor).test_client()
    dice = random.Random(3)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(ASKED + 20):
        typed = f"member{dice.randint(1, size)}"[: dice.randint(1, 12)]
        for place, client in enumerate((browser, plain)):
            more: dict[str, Any] = {"review": False, "htmx": True} if client is browser else {}
            began = time.perf_counter()
            answer = client.get(f"/batches/usernames?member={typed}&by=username", **more)
            taken = time.perf_counter() - began
            assert answer.status_code == 200, answer.text
            assert "ember" in answer.text
            if turn >= 20:  # the first ones warm up
                times[place].append(taken)
    ours, bare = (sorted(some)[int(0.95 * len(some))] for some in times)
    return ours, bare


def _bare(floor: Floor) -> Flask:
    app = Flask("bare")
    query = QUERY.format(mark="?" if floor.sqlite else "%s")

    @app.get("/batches/usernames")
    def usernames() -> dict[str, Any]:
        key = request.args["member"].casefold()
        found = floor.connection.execute(query, (key, key + "\U0010ffff")).fetchall()
        return {"members": [list(row) for row in found]}

    return app
