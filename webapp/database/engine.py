"""Connection settings for each database, and one pool per process."""

from __future__ import annotations

import math
import os
import sqlite3
import sys
import time
from typing import Any
from weakref import WeakSet

from flask import Flask
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from webapp.database import db


def connect(app: Flask) -> None:
    """Configure the app's database. Call it once, before the first connection."""
    db.init_app(app)
    with app.app_context():
        engine = db.engine
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _sqlite_settings)
            event.listen(engine, "begin", _sqlite_begin)
        else:
            event.listen(engine, "begin", _postgres_begin)
            event.listen(engine, "checkin", _postgres_checkin)
            event.listen(engine, "checkout", _postgres_checkout)
            event.listen(engine, "do_execute", _prepare)
        _engines.add(engine)


# Maximum wait for a lock held by another process, in milliseconds.
LOCK_TIMEOUT_S = 5_000

# Wait between a writer's attempts to lock SQLite, in seconds. SQLite's own wait grows to 100 ms and misses the gaps
# that a batch leaves between its chunks.
ASK_AGAIN = 0.002


# A connection unused for longer may have been closed by the server or the network, in seconds.
TRUSTED = 1.0


def options(url: str) -> dict[str, Any]:
    """Return engine options. PostgreSQL gets timeouts, so that a frozen process can't block the others.

    Its connections are in autocommit mode except while they write: reads need no BEGIN and ROLLBACK, and the driver
    drops its prepared statements at each ROLLBACK.
    """
    # Parameters contain personal data, which must not appear in logged errors.
    shared = {
        "hide_parameters": True,
        "pool_use_lifo": True,
    }  # the last used has the warmest caches
    if not url.startswith("postgresql"):
        return shared
    limits = (
        "-c idle_in_transaction_session_timeout=15s -c statement_timeout=30s "
        f"-c lock_timeout={LOCK_TIMEOUT_S}"
    )
    return {
        **shared,
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "connect_args": {
            "options": limits,
            "connect_timeout": 5,
            "prepare_threshold": sys.maxsize,  # only what `_prepare` selects
        },
    }


def _postgres_begin(connection: Connection) -> None:
    if connection.get_execution_options().get("write"):
        _driver(connection).autocommit = False


def _postgres_checkin(driver: Any, record: ConnectionPoolEntry) -> None:
    if driver is not None and not driver.closed:
        driver.autocommit = True
        record.info["used_at"] = time.monotonic()


def _postgres_checkout(driver: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    if time.monotonic() - record.info.get("used_at", math.inf) > TRUSTED:
        from psycopg import Error  # not loaded on SQLite

        try:
            driver.execute("")
        except Error as problem:
            raise InvalidatePoolError from problem


def _prepare(cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> bool:
    """Execute a statement with the option `prepared` as a prepared statement, which is planned once per connection.

    That suits access by a key. The plan of a search depends on its values, so all others are planned each time.
    """
    if not context.execution_options.get("prepared"):
        return False
    cursor.execute(statement, parameters, prepare=True)
    return True


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


_SQLITE = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "wal_autocheckpoint=8000",  # pages, 32 MB: a chunk of awards must not copy the WAL at each commit
)


def relax_sync(app: Flask) -> None:
    """On SQLite, don't wait for the disk at each commit; only for a process whose lost work is repeated.

    A power failure loses the end of the WAL: whole transactions of this process, and none that another process
    committed after them. Processing batches is about 20% faster (bench/).
    """
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(
                db.engine,
                "connect",
                lambda connection, _: connection.execute("PRAGMA synchronous=NORMAL"),
            )


def _sqlite_settings(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions: _sqlite_begin does
    for setting in (f"busy_timeout={LOCK_TIMEOUT_S}", *_SQLITE):
        connection.execute(f"PRAGMA {setting}")


def _sqlite_begin(connection: Connection) -> None:
    if not connection.get_execution_options().get("write"):
        connection.exec_driver_sql("BEGIN")
        return
    # A reader that starts to write fails at once with "database is locked", so writers announce it from the start.
    driver = _driver(connection)
    until = time.monotonic() + LOCK_TIMEOUT_S / 1000
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while _is_locked(driver) and time.monotonic() < until:
            time.sleep(ASK_AGAIN)
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises the actual error
    finally:
        driver.execute(f"PRAGMA busy_timeout={LOCK_TIMEOUT_S}")


def _is_locked(driver: sqlite3.Connection) -> bool:
    """Try to begin a write transaction; True if another process is writing. Any other error returns False."""
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as problem:
        return getattr(problem, "sqlite_errorname", "").startswith("SQLITE_BUSY")
    return False


_engines: WeakSet[Engine] = WeakSet()


def _forget_connections() -> None:
    # Two processes on one socket would read each other's responses.
    for engine in _engines:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)
