"""Connections: what each database is told when one is made, and that no two processes share one."""

from __future__ import annotations

import os
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


def options(url: str) -> dict[str, Any]:
    """What the engine is made with: PostgreSQL gets limits, so that a frozen process can't hold up the others."""
    # Parameters are names and addresses of people: they have no place in the log of an error.
    if not url.startswith("postgresql"):
        return {"hide_parameters": True}
    limits = (
        "-c idle_in_transaction_session_timeout=15s -c lock_timeout=5s -c statement_timeout=30s"
    )
    return {
        "hide_parameters": True,
        "pool_pre_ping": True,
        "connect_args": {"options": limits, "connect_timeout": 5},
    }


_SQLITE = (
    "busy_timeout=5000",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "wal_autocheckpoint=8000",  # pages, 32 MB: a chunk of awards must not copy the whole journal at each commit
)


def leave_the_disk_its_time(app: Flask) -> None:
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
    for setting in _SQLITE:
        connection.execute(f"PRAGMA {setting}")


def _sqlite_begin(connection: Connection) -> None:
    # A reader that turns writer later fails at once with "database is locked": writers say so from the start.
    writes = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_engines: WeakSet[Engine] = WeakSet()


def _forget_connections() -> None:
    # Two processes on one socket read each other's answers.
    for engine in _engines:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)
