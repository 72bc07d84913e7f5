"""Connections: what each database is told when one is made, and that no two processes share one."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any
from weakref import WeakSet

from flask import Flask
from sqlalchemy import Connection, Engine, event

from webapp.database import db


def connect(app: Flask) -> None:
    """Gives the app its database; call it once, before the first connection."""
    db.init_app(app)
    with app.app_context():
        engine = db.engine
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _sqlite_settings)
            event.listen(engine, "begin", _sqlite_begin)
        _engines.add(engine)


# How long a statement waits for what another process holds, in milliseconds.
LOCK_TIMEOUT_S = 5_000

# How long a writer waits before it asks SQLite again, in seconds. SQLite itself waits up to a tenth of a second, and
# misses the moments that a batch leaves free between its chunks.
ASK_AGAIN = 0.002


def options(url: str) -> dict[str, Any]:
    """What the engine is made with: PostgreSQL gets limits, so that a frozen process can't hold up the others."""
    # Parameters are names and addresses of people: they have no place in the log of an error.
    if not url.startswith("postgresql"):
        return {"hide_parameters": True}
    limits = (
        "-c idle_in_transaction_session_timeout=15s -c statement_timeout=30s "
        f"-c lock_timeout={LOCK_TIMEOUT_S}"
    )
    return {
        "hide_parameters": True,
        "pool_pre_ping": True,
        "connect_args": {"options": limits, "connect_timeout": 5},
    }


_SQLITE = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "wal_autocheckpoint=8000",  # pages, 32 MB: a chunk of awards must not copy the whole journal at each commit
)


def relax_sync(app: Flask) -> None:
    """For a process all of whose work is done again if it is lost: on SQLite its commits don't wait for the disk.

    What a power cut takes is the journal's end, whole transactions of this process and never one that another process
    committed after them. The unlock loop gains a fifth by it (bench/).
    """
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(
                db.engine,
                "connect",
                lambda connection, _: connection.execute("PRAGMA synchronous=NORMAL"),
            )


def _sqlite_settings(connection: Any, _record: Any) -> None:
    connection.isolation_level = (
        None  # the driver must not begin transactions by itself: _sqlite_begin does
    )
    for setting in (f"busy_timeout={LOCK_TIMEOUT_S}", *_SQLITE):
        connection.execute(f"PRAGMA {setting}")


def _sqlite_begin(connection: Connection) -> None:
    if not connection.get_execution_options().get("write"):
        connection.exec_driver_sql("BEGIN")
        return
    # A reader that turns writer later fails at once with "database is locked": writers say so from the start.
    driver: Any = connection.connection.driver_connection
    until = time.monotonic() + LOCK_TIMEOUT_S / 1000
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while _is_locked(driver) and time.monotonic() < until:
            time.sleep(ASK_AGAIN)
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises what stands in the way
    finally:
        driver.execute(f"PRAGMA busy_timeout={LOCK_TIMEOUT_S}")


def _is_locked(driver: sqlite3.Connection) -> bool:
    """Begins to write, unless another process does; for any other trouble it answers False and begins nothing."""
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as problem:
        return getattr(problem, "sqlite_errorname", "").startswith("SQLITE_BUSY")
    return False


_engines: WeakSet[Engine] = WeakSet()


def _forget_connections() -> None:
    # Two processes on one socket read each other's answers.
    for engine in _engines:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)
