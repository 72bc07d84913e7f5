"""Every page and list of the API: the large community compared with the small one, visited in turns."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from bench.measures import quantile
from bench.scale.addresses import API, PAGES
from bench.scale.samples import Samples
from tests.faults.console import Console
from tests.pages.client import ReviewingClient
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys
from webapp.domain.permissions import Scope
from webapp.models import Origin, Role
from webapp.transaction import transaction

GOAL = 1.3
WARM_UP = 2
LONGEST = 20  # seconds for an address
FEWEST = 10  # visits even so
FRAGMENTS = re.compile(r"/(progress|row|suggestions|results|usernames)(\?|$)")


class UnexpectedAnswerError(Exception):
    """A page answered with an error."""


@dataclass
class Comparison:
    """Seconds of each visit of an address in the small and in the large community."""

    address: str
    small: list[float] = field(default_factory=list)
    large: list[float] = field(default_factory=list)
    error: str = ""

    def ratio(self, part: float) -> float:
        return quantile(self.large, part) / quantile(self.small, part)

    @property
    def missed(self) -> bool:
        return bool(self.error) or self.ratio(0.95) > GOAL


class Browser:
    """Requests to one console, as an admin or with an API key."""

    def __init__(self, samples: Samples, visits: int) -> None:
        console = samples.console
        self.pages = _signed_in(console)
        self.key = _key(console)
        self.values = [samples.draw(number) for number in range(visits)]

    def visit(self, address: str, number: int) -> float:
        url = address.format(**self.values[number % len(self.values)])
        headers = {"Authorization": f"Bearer {self.key}"} if url.startswith("/api/v1") else {}
        htmx = bool(FRAGMENTS.search(url))
        began = time.perf_counter()
        answer = self.pages.get(url, headers=headers, htmx=htmx, review=False)
        taken = time.perf_counter() - began
        if answer.status_code not in (200, 303):
            raise UnexpectedAnswerError(f"{url}: {answer.status}")
        return taken


def _signed_in(console: Console) -> ReviewingClient:
    staff = console.make.staff(Role.ADMIN, email=f"{uuid4().hex}@example.org")
    return ReviewingClient(console.app, None, use_cookies=True).sign_in(staff)


def _key(console: Console) -> str:
    with console.app.app_context(), transaction():
        actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
        return keys.create(f"Scale {uuid4().hex}", list(Scope), None, actor).text


def compare(small: Samples, large: Samples, visits: int, only: str = "") -> Iterator[Comparison]:
    """Visit each address that contains `only`; one that misses the goal three times as often."""
    browsers = Browser(small, visits), Browser(large, visits)
    addresses = [*PAGES, *(f"/api/v1{address}" for address in API)]
    for address in addresses:
        if only in address:
            comparison = Comparison(address)
            try:
                _visit(comparison, browsers, range(visits))
                if comparison.missed:
                    _visit(comparison, browsers, range(visits, 3 * visits))
            except UnexpectedAnswerError as error:
                comparison.error = str(error)
            yield comparison


def _visit(comparison: Comparison, browsers: tuple[Browser, Browser], turns: range) -> None:
    few, many = browsers
    for number in range(WARM_UP):
        few.visit(comparison.address, number), many.visit(comparison.address, number)
    until = time.monotonic() + LONGEST
    for number in turns:
        if time.monotonic() > until and len(comparison.small) >= FEWEST:
            break
        comparison.small.append(few.visit(comparison.address, number))
        comparison.large.append(many.visit(comparison.address, number))
