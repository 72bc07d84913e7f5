"""`console`: an installation of its own for each test, on both kinds of database."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from tests.faults.console import Console

QUICK = {"LAUREL_LEASE_SECONDS": "2", "LAUREL_TICK_SECONDS": "0.5", "LAUREL_CHUNK_SIZE": "50"}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database; "" for SQLite in the data folder."""
    if request.param == "sqlite":
        yield ""
        return
    postgres = request.getfixturevalue("postgres")
    name = f"fault_{uuid4().hex[:12]}"
    engine = create_engine(
        postgres.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    head, mark, tail = postgres.partition("?")
    yield head.rpartition("/")[0] + f"/{name}{mark}{tail}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def consoles(database_url: str) -> Iterator[Callable[..., Console]]:
    """Makes installations on the database; their processes are ended after the test."""
    made: list[Console] = []

    def build(**environ: str) -> Console:
        # A short path: a socket's address has room for about a hundred characters.
        folder = Path(tempfile.mkdtemp(prefix="f-"))
        made.append(Console(database_url, folder, **environ))
        return made[-1]

    yield build
    for console in made:
        console.stop()


@pytest.fixture
def console(consoles: Callable[..., Console]) -> Console:
    """An installation with short leases, quick ticks and small chunks, its queue running."""
    made = consoles(**QUICK)
    made.start_queue()
    return made
