"""The directory's page: the whole community compared with 10,000 members, first pages and deep ones."""

from __future__ import annotations

import re
import statistics
import time
from typing import TYPE_CHECKING

from bench import community
from tests.faults.console import Console
from tests.pages.client import ReviewingClient
from webapp.models import Role

if TYPE_CHECKING:
    from bench.measures import Bench

SMALL = 10_000
ROUNDS = 25
ADDRESSES = {
    "everybody": "/members",
    "newest first": "/members?sort=-joined",
    "by a username's beginning": "/members?q=member12",
    "by a word that nearly all have": "/members?q=num",
    "by two words": "/members?q=number+77",
    "who holds a badge that all hold": "/members?holds={quest}",
    "active, joined, by activity": "/members?status=active&from=2020-01-01&sort=-activity",
    "nobody": "/members?q=zzz",
    "searching everything": "/search?q=number+77",
}


def rows(bench: Bench, small: Console) -> list[tuple[str, str, str]]:
    """Rows of the table: the median for a page, for a page four steps on, and for 10,000."""
    few = _measure(small, SMALL)
    many = _measure(bench.console, 0)
    return [
        (
            f"Members, {name}: {bench.size:,} against {SMALL:,}; deep",
            f"{1000 * first:.1f} ms, {first / few[name][0]:.2f} x; {1000 * deep:.1f} ms",
            "1.3 x",
        )
        for name, (first, deep) in many.items()
    ]


def _measure(console: Console, raise_if_any: int) -> dict[str, tuple[float, float]]:
    quest = console.make.quest()
    if raise_if_any:
        with console.app.app_context():
            community.raise_if_any(raise_if_any, quest.id)
    else:
        quest.id = 1  # the community's quest was created first
    browser = ReviewingClient(console.app, None, use_cookies=True).sign_in(
        console.make.staff(Role.ADMIN)
    )
    found = {}
    for name, address in ADDRESSES.items():
        first = address.format(quest=quest.id)
        deep = first
        for _ in range(4):
            deep = _next(browser.get(deep, review=False).text) or deep
        found[name] = (_median(browser, first), _median(browser, deep))
    return found


def _next(page: str) -> str:
    link = re.search(r'href="(/members\?[^"]*after=[^"]*)"', page)
    return link[1].replace("&amp;", "&") if link else ""


def _median(browser: ReviewingClient, address: str) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = browser.get(address, review=False)
        taken.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return statistics.median(taken)
