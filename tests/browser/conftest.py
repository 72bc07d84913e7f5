"""Chromium, the consoles it visits, and visitors whose errors fail the test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from sqlalchemy import create_engine, text

from bench.community import raise_if_any
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from webapp.models import Quest, Role

HERE = Path(__file__).parent
SIZE = 100_000
# The first needs half of the others' CPU time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Pages show the results of other processes, on a busy machine.
expect.set_options(timeout=15_000)

# Small chunks, so that there is progress to see; leases and ticks as short as possible.
QUICK = {"LAUREL_LEASE_SECONDS": "2", "LAUREL_TICK_SECONDS": "0.5"}
CHUNKS = {"sqlite": "20", "postgresql": "10"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A generous timeout: the first test also starts the consoles that all of them use."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(480))
            item.add_marker(pytest.mark.starts_processes)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The one browser process; each test gets its own windows."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        complaint = "Chromium is missing: install it (Debian: chromium-headless-shell)."
        if os.environ.get("CI"):
            pytest.fail(complaint)
        pytest.fail(complaint + " `make browser` does.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def _sites(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Site]]:
    """A console for each kind of database with its community, created on first use."""
    made: dict[str, Site] = {}

    def site(kind: str) -> Site:
        if kind not in made:
            url = "" if kind == "sqlite" else _new_database(request.getfixturevalue("postgres"))
            folder = Path(tempfile.mkdtemp(prefix="b-"))
            made[kind] = Site(url, folder, LAUREL_CHUNK_SIZE=CHUNKS[kind], **QUICK)
            veteran = made[kind].make.quest("Joined us", made[kind].make.badge("Veteran"))
            with made[kind].app.app_context():
                raise_if_any(SIZE, veteran.id)
            made[kind].start_queue()
            made[kind].start_web()
            made[kind].start_worker()
            made[kind].start_clock()
        return made[kind]

    yield site
    for one in made.values():
        one.stop()


def _new_database(server: str, name: str = "browser") -> str:
    engine = create_engine(
        server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    head, mark, tail = server.partition("?")
    return head.rpartition("/")[0] + f"/{name}{mark}{tail}"


@pytest.fixture
def site(_sites: Callable[[str], Site]) -> Site:
    """The console on SQLite, with 100,000 members `Member1` …, IDs `ID1` …; shared with other tests."""
    return _sites("sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def each_site(request: pytest.FixtureRequest, _sites: Callable[[str], Site]) -> Site:
    """The same console on both kinds of database."""
    return _sites(request.param)


@pytest.fixture(scope="session")
def _quiet() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="q-"))
    site = Site("", folder)
    site.start_web()
    yield site
    site.stop()


@pytest.fixture
def quiet(_quiet: Site) -> Site:
    """A console without worker or clock: tests advance batches with `hold` and `unlock`."""
    return _quiet


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Create visitors: `visit(site)`, with Playwright's options for a window. Their faults fail the test."""
    visitors: list[Visitor] = []

    def make(site: Site, **options: object) -> Visitor:
        visitors.append(Visitor(chromium, site, **options))
        return visitors[-1]

    yield make
    faults = []
    for visitor in visitors:
        faults += visitor.faults
        visitor.context.close()
    assert not faults, "\n".join(faults)


@pytest.fixture
def admin(site: Site, visit: Callable[..., Visitor]) -> Visitor:
    """An admin who signed in with the form."""
    return visit(site).sign_in(Role.ADMIN)


@pytest.fixture
def quest(site: Site) -> Quest:
    """A badge with one quest, only for this test."""
    number = next(site.people)
    return site.make.quest(f"Came by {number}", site.make.badge(f"Guest {number}"))
