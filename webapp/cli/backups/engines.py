"""A connection for a backup or a restore: one transaction of any length, and nothing of the app's limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, event, inspect, text

from webapp.config import Settings

UNLIMITED = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=10s"


@contextmanager
def snapshot(settings: Settings) -> Iterator[Connection]:
    """A connection that sees one moment, however long it reads and whatever is written meanwhile; it can't write."""
    with _connection(settings, "BEGIN", "REPEATABLE READ") as connection:
        if not settings.sqlite:
            connection.execute(text("SET TRANSACTION READ ONLY"))
        yield connection
        connection.rollback()


@contextmanager
def alone(settings: Settings) -> Iterator[Connection]:
    """A connection that writes all of it, or, where the block raises, nothing."""
    with (
        _connection(settings, "BEGIN IMMEDIATE", "READ COMMITTED") as connection,
        connection.begin(),
    ):
        yield connection
        connection.execute(text("ANALYZE"))


@contextmanager
def _connection(settings: Settings, begin: str, isolation: str) -> Iterator[Connection]:
    if settings.sqlite:
        engine = create_engine(settings.database_url, connect_args={"timeout": 10})
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    else:
        limits = {"options": UNLIMITED, "connect_timeout": 5}
        engine = create_engine(
            settings.database_url, connect_args=limits, isolation_level=isolation
        )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def tables_of(connection: Connection) -> set[str]:
    """The names of the tables there are."""
    return set(inspect(connection).get_table_names())


def revision_of(connection: Connection) -> str:
    """The last migration that the database has had; "" where it had none."""
    if "alembic_version" not in tables_of(connection):
        return ""
    return str(connection.scalar(text("SELECT max(version_num) FROM alembic_version")) or "")
