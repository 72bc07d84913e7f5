"""Home: the whole community compared with 10,000 members, before any batch runs."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from bench import community
from bench.directory import SMALL
from tests.faults.console import Console
from tests.pages.client import ReviewingClient
from webapp.models import Role

if TYPE_CHECKING:
    from bench.measures import Bench

ROUNDS = 60


def rows(bench: Bench, small: Console) -> list[tuple[str, str, str]]:
    """The row of the table: the median, and its ratio to that for 10,000; measured in turns."""
    quest = small.make.quest()
    with small.app.app_context():
        community.raise_if_any(SMALL, quest.id)
    many, few = _browser(bench.console), _browser(small)
    pairs = [(_open(many), _open(few)) for _ in range(ROUNDS)]
    median, baseline = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    value = f"{1000 * median:.1f} ms, {median / baseline:.2f} x"
    return [(f"Home page, {bench.size:,} to {SMALL:,} members", value, "1.3 x")]


def _browser(console: Console) -> ReviewingClient:
    staff = console.make.staff(Role.ADMIN)
    return ReviewingClient(console.app, None, use_cookies=True).sign_in(staff)


def _open(browser: ReviewingClient) -> float:
    began = time.perf_counter()
    answer = browser.get("/", review=False)
    taken = time.perf_counter() - began
    assert answer.status_code == 200, answer.text
    return taken
