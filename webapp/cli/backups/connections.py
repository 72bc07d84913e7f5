"""Connections for dumps and restores: one transaction of any length, without the app's time limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, MetaData, Table, create_engine, event, func, select, text

from webapp.config import Settings

UNLIMITED = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=10s"


@contextmanager
def snapshot(settings: Settings) -> Iterator[Connection]:
    """A read-only connection that sees one moment of the database, whatever others write in the meantime."""
    with _connect(settings, "BEGIN", "REPEATABLE READ") as connection:
        connection.execution_options(postgresql_readonly=True)
        yield connection
        connection.rollback()


@contextmanager
def exclusive(settings: Settings) -> Iterator[Connection]:
    with (
        _connect(settings, "BEGIN IMMEDIATE", "READ COMMITTED") as connection,
        connection.begin(),
    ):
        yield connection
        connection.execute(text("ANALYZE"))


@contextmanager
def _connect(settings: Settings, begin: str, isolation: str) -> Iterator[Connection]:
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


def reflect(connection: Connection) -> Mapping[str, Table]:
    metadata = MetaData()
    metadata.reflect(connection, resolve_fks=False)
    return metadata.tables


def count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0
