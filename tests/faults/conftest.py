"""`console`: a separate installation for each test, on both kinds of database."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from tests.conftest import migrate, settings_for
from tests.faults.console import PATIENCE, Console
from tests.faults.started import Console as Started

HERE = Path(__file__).parent
QUICK = {"LAUREL_LEASE_SECONDS": "2", "LAUREL_TICK_SECONDS": "0.5", "LAUREL_CHUNK_SIZE": "50"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make failed waits report before the general timeout, which tells less."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.starts_processes)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(120 * PATIENCE))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database; "" for SQLite in the data folder."""
    if request.param == "sqlite":
        yield ""
        return
    postgres = request.getfixturevalue("postgres")
    template = request.getfixturevalue("migrated_on_postgres")
    name = f"fault_{uuid4().hex[:12]}"
    _said_to(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _of(postgres, name)
    _said_to(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without tables; "" for SQLite in the data folder."""
    if request.param == "sqlite":
        yield ""
        return
    postgres = request.getfixturevalue("postgres")
    name = f"new_{uuid4().hex[:12]}"
    _said_to(postgres, f"CREATE DATABASE {name}")
    yield _of(postgres, name)
    _said_to(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def started(new_database_url: str, tmp_path: Path) -> Iterator[Started]:
    """A place to run `laurel start` and other commands; remaining processes are stopped after the test."""
    made = Started(tmp_path / "data", tmp_path / "said.txt")
    if new_database_url:
        made.environment["DATABASE_URL"] = new_database_url
    yield made
    made.end()


@pytest.fixture(scope="session")
def migrated_on_postgres(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an empty, migrated database without connections, used as a template."""
    _said_to(postgres, "CREATE DATABASE fault_template")
    migrate(settings_for(_of(postgres, "fault_template"), tmp_path_factory.mktemp("template")))
    return "fault_template"


def _said_to(postgres: str, statement: str) -> None:
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _of(postgres: str, name: str) -> str:
    head, mark, tail = postgres.partition("?")
    return head.rpartition("/")[0] + f"/{name}{mark}{tail}"


@pytest.fixture
def consoles(database_url: str) -> Iterator[Callable[..., Console]]:
    """Create installations on the database; their processes are stopped after the test."""
    made: list[Console] = []

    def build(**environ: str) -> Console:
        # A short path: socket addresses are limited to about a hundred characters.
        folder = Path(tempfile.mkdtemp(prefix="f-"))
        made.append(Console(database_url, folder, web=False, **environ))
        return made[-1]

    yield build
    for console in made:
        console.stop()


@pytest.fixture
def console(consoles: Callable[..., Console]) -> Console:
    """An installation with short leases, quick ticks and small chunks, and its queue running."""
    made = consoles(**QUICK)
    made.start_queue()
    return made
