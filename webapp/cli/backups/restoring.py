"""Bringing a backup back: all of it in one transaction, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text, update

from webapp.cli.backups.archive import Bad, Manifest, Reader, Table
from webapp.cli.backups.engines import alone, tables_of
from webapp.cli.backups.kinds import TO_POSTGRESQL, TO_SQLITE, converter
from webapp.cli.backups.taking import LEFT_OUT, Note, Progress
from webapp.cli.database import alembic_config
from webapp.config import Settings
from webapp.database import Base
from webapp.database.version import migrations_folder, newest_revision
from webapp.domain.plurals import plural

# What converting and writing a row raises that no backup of ours has.
UNFIT = (ValueError, TypeError, AttributeError, OverflowError, sqlite3.Error, psycopg.Error)
STEP = 2_000  # rows that are in memory at once
ALIVE = "SELECT kind, count(*) FROM processes WHERE seen_at > {since} GROUP BY kind ORDER BY kind"
SINCE = {
    "postgresql": "clock_timestamp() - interval '20 seconds'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-20 seconds')",
}


def restore(settings: Settings, path: Path, replace: bool, progress: Progress) -> Manifest:
    """Makes the database what it was when the backup was taken, at the structure of this version.

    Raises `Bad` for a file that is damaged or of a later version, for a database that holds something (unless
    `replace`), and for one that workers or a clock work on. The file is read twice: it is judged before anything is
    changed.
    """
    if settings.sqlite:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Reader(path) as reader:
        told = reader.told
        _insist_on_a_known_revision(told)
        with progress("Checking", told.rows) as note:
            for number in reader.verify():
                note(number)
        with alone(settings) as connection:
            _insist_that_nobody_works(connection)
            if not replace:
                _insist_on_nothing(connection)
            _clear(connection)
            _migrate(settings, connection, told.revision)
            _insist_on_known_tables(connection, told)
            with progress("Restoring", told.rows) as note:
                _load(connection, reader, note)
            _migrate(settings, connection, newest_revision())
            _look_over(connection, told)
        return told


def _insist_on_a_known_revision(told: Manifest) -> None:
    try:
        ScriptDirectory(str(migrations_folder())).get_revision(told.revision)
    except CommandError:
        raise Bad(
            f"The backup was taken by a later version of Laurel ({told.version}); install that, then restore."
        ) from None


def _insist_on_known_tables(connection: Connection, told: Manifest) -> None:
    """Every table and column is one that this structure has and that backups hold."""
    inspector = inspect(connection)
    known = tables_of(connection) - {"alembic_version", *LEFT_OUT}
    for table in told.tables:
        if table.name not in known:
            raise Bad(f"The backup has a table that Laurel doesn't know: {table.name}.")
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        if unknown := [name for name, _ in table.columns if name not in columns]:
            raise Bad(f"The backup has a column that {table.name} doesn't have: {unknown[0]}.")


def _insist_that_nobody_works(connection: Connection) -> None:
    if "processes" not in tables_of(connection):
        return
    since = SINCE[connection.dialect.name]
    alive = [
        f"{number} {kind}" for kind, number in connection.execute(text(ALIVE.format(since=since)))
    ]
    if alive:
        raise Bad(
            f"Somebody works on this database ({', '.join(alive)}). Stop the console; "
            "what was killed counts as gone after 20 seconds."
        )


def _insist_on_nothing(connection: Connection) -> None:
    held = {}
    for name in sorted(tables_of(connection) - {"alembic_version"}):
        number = connection.scalar(text(f'SELECT count(*) FROM "{name}"'))
        if number:
            held[name] = number
    if held:
        most = ", ".join(f"{number:,} {name}" for name, number in list(held.items())[:6])
        raise Bad(f"The database is not empty ({most}). With --replace the backup takes its place.")


def _clear(connection: Connection) -> None:
    """Drops whatever there is; the database is the console's alone."""
    if connection.dialect.name == "postgresql":
        for name in sorted(tables_of(connection)):
            connection.execute(text(f'DROP TABLE "{name}" CASCADE'))
        ours = (
            "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace "
            "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        )
        for name in list(connection.scalars(text(ours))):
            connection.execute(text(f"DROP FUNCTION {name} CASCADE"))
        return
    for name in sorted(tables_of(connection)):  # foreign keys are not looked at on this connection
        connection.execute(text(f'DROP TABLE "{name}"'))


def _migrate(settings: Settings, connection: Connection, revision: str) -> None:
    config = alembic_config(settings)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _load(connection: Connection, reader: Reader, note: Note) -> None:
    with _triggers_off(connection):
        for table in reversed(reader.told.tables):  # what migrations put there
            connection.execute(text(f'DELETE FROM "{table.name}"'))
        for table in reader.told.tables:
            rows = reader.rows(table)
            try:
                if connection.dialect.name == "postgresql":
                    _copy(connection, table, rows, note)
                else:
                    _insert(connection, table, rows, note)
            except UNFIT as problem:
                raise Bad(
                    f"{reader.path} is damaged: a row of {table.name} doesn't fit ({problem!a:.200})."
                ) from None
            if table.last_id is not None:
                _go_on_from(connection, table.name, table.last_id)


@contextmanager
def _triggers_off(connection: Connection) -> Iterator[None]:
    """Rows come with what triggers have kept: those that count holders would count again."""
    if connection.dialect.name == "postgresql":
        names = sorted(tables_of(connection))
        for name in names:
            connection.execute(text(f'ALTER TABLE "{name}" DISABLE TRIGGER USER'))
        yield
        for name in names:
            connection.execute(text(f'ALTER TABLE "{name}" ENABLE TRIGGER USER'))
        return
    found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    triggers = found.all()
    for name, _ in triggers:
        connection.execute(text(f'DROP TRIGGER "{name}"'))
    yield
    for _, statement in triggers:
        connection.exec_driver_sql(statement)


def _copy(connection: Connection, table: Table, rows: Iterable[list[Any]], note: Note) -> None:
    names, convert = _names(table), converter(_kinds(table), TO_POSTGRESQL)
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for number, row in enumerate(rows, 1):
            copy.write_row(convert(row))
            if number % STEP == 0:
                note(STEP)
    note(table.rows % STEP)


def _insert(connection: Connection, table: Table, rows: Iterator[list[Any]], note: Note) -> None:
    marks, convert = ", ".join("?" * len(table.columns)), converter(_kinds(table), TO_SQLITE)
    statement = f'INSERT INTO "{table.name}" ({_names(table)}) VALUES ({marks})'
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    while some := [convert(row) for row in islice(rows, STEP)]:
        raw.executemany(statement, some)
        note(len(some))


def _go_on_from(connection: Connection, name: str, last_id: int) -> None:
    """The next row gets a number above this one."""
    said = {"name": name, "last": last_id}
    if connection.dialect.name == "postgresql":
        (key,) = inspect(connection).get_pk_constraint(name)["constrained_columns"]
        sequence = "pg_get_serial_sequence(:name, :key)"
        statement = f"SELECT setval({sequence}, greatest(:last, 1), :last > 0)"
        connection.execute(text(statement), {**said, "key": key})
        return
    made_by = text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    if (
        "AUTOINCREMENT" in str(connection.scalar(made_by, said)).upper()
    ):  # else the largest there is decides
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), said)
        connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), said
        )


def _look_over(connection: Connection, told: Manifest) -> None:
    """What came back is what was taken; no worker of before holds anything. Raises `Bad`, and all is undone."""
    there = tables_of(connection)
    for table in told.tables:
        if table.name not in there:  # a later migration has dropped it
            continue
        number = connection.scalar(text(f'SELECT count(*) FROM "{table.name}"'))
        if number != table.rows:
            raise Bad(
                f"{table.name}: {plural(table.rows, 'row was', 'rows were')} taken and {number:,} came back; "
                "nothing is changed."
            )
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).first()
        if broken:
            raise Bad(
                f"A row of {broken[0]} refers to one of {broken[2]} that is missing; nothing is changed."
            )
    for held in Base.metadata.tables.values():
        if "lease_owner" in held.columns:
            connection.execute(update(held).values(lease_owner=None, lease_until=None))


def _names(table: Table) -> str:
    return ", ".join(f'"{name}"' for name, _ in table.columns)


def _kinds(table: Table) -> list[str]:
    return [kind for _, kind in table.columns]
