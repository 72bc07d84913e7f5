"""Restore a backup: everything in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.sql import SQL, Identifier
from sqlalchemy import (
    DDL,
    Connection,
    Date,
    Table,
    TableClause,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.types import NullType, TypeEngine

from webapp import package
from webapp.cli.backups.archive import BackupError, DumpedTable, Manifest, Reader
from webapp.cli.backups.column_types import DECODE, row_converter
from webapp.cli.backups.connections import count, exclusive, reflect
from webapp.cli.backups.dump import BATCH_SIZE, EXCLUDED, Advance, sqlite_sequence
from webapp.cli.database import alembic_config, create_schema
from webapp.cli.files import STANDARD, open_input
from webapp.cli.output import progress_bar
from webapp.config import Settings
from webapp.database import Base, UtcDateTime
from webapp.database.version import newest_revision
from webapp.domain.operations.heartbeats import SILENT_AFTER
from webapp.messages.plurals import plural
from webapp.models import ProcessKind

# Raised by converting and writing a row whose values don't fit the columns.
UNFIT = (ValueError, TypeError, AttributeError, OverflowError, StatementError, psycopg.Error)

Tables = Mapping[str, Table]
Rows = Iterator[list[Any]]

# Types whose values SQLAlchemy writes to SQLite; the driver takes the others as they are.
SQLITE_TYPES: dict[str, TypeEngine[Any]] = {"moment": UtcDateTime(), "day": Date()}
# The functions of triggers, without those of extensions.
FUNCTIONS = (
    "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace "
    "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
)

ALEMBIC = "alembic_version"
sqlite_master = TableClause("sqlite_master", column("type"), column("name"), column("sql"))


def restore_backup(settings: Settings, path: Path, replace: bool) -> Manifest:
    """Restore the database as it was when the backup was written, then upgrade it to this version's structure.

    Rows go into the structure of the backup's own migration, so migrations since may rename tables and columns.
    The file is read twice: it is verified before anything is changed. Raises BackupError if the file is damaged or
    from a later version, if the database is not empty (unless `replace`), or if workers or a clock use it.
    """
    if settings.sqlite:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = "Standard input" if path == STANDARD else str(path)
    with open_input(path) as file, Reader(file, name) as reader:
        manifest = reader.manifest
        _require_known_revision(manifest)
        with progress_bar("Checking", manifest.rows) as bar:
            for number in reader.verify():
                bar.update(number)
        with exclusive(settings) as connection:
            present = reflect(connection)
            _require_idle(connection, present)
            if not replace:
                _require_empty(connection, present)
            _clear(connection, present)
            older = manifest.revision != newest_revision()
            if older:
                _migrate(settings, connection, manifest.revision)
            else:
                create_schema(connection)
            tables = reflect(connection)
            _require_known_columns(tables, manifest)
            with progress_bar("Restoring", manifest.rows) as bar, _triggers_off(connection, tables):
                _load(connection, reader, tables, bar.update)
            if older:
                _migrate(settings, connection, newest_revision())
            _finish(connection)
        return manifest


def _require_known_revision(manifest: Manifest) -> None:
    try:
        ScriptDirectory(package.folder("migrations")).get_revision(manifest.revision)
    except CommandError:
        raise BackupError(
            f"The backup was written by a later version of Laurel ({manifest.version}). Install that version first."
        ) from None


def _require_idle(connection: Connection, tables: Tables) -> None:
    processes = tables.get("processes")
    if processes is None:
        return
    now = connection.scalars(select(func.current_timestamp(type_=UtcDateTime))).one()
    since = literal(now - timedelta(seconds=SILENT_AFTER), UtcDateTime)
    kind = processes.c.kind
    alive = select(func.count(), kind).where(processes.c.seen_at > since)
    counts = [
        f"{number} {ProcessKind(kind).label}"
        for number, kind in connection.execute(alive.group_by(kind).order_by(kind))
    ]
    if counts:
        raise BackupError(
            f"The database is in use ({', '.join(counts)}). Stop Laurel first. After killing a process, wait "
            f"{SILENT_AFTER:.0f} seconds."
        )


def _require_empty(connection: Connection, tables: Tables) -> None:
    counts = {name: count(connection, tables[name]) for name in sorted({*tables} - {ALEMBIC})}
    filled = [f"{number:,} {name}" for name, number in counts.items() if number]
    if filled:
        raise BackupError(
            f"The database isn't empty ({', '.join(filled[:6])}). Use --replace to replace everything in it."
        )


def _clear(connection: Connection, tables: Tables) -> None:
    postgresql = connection.dialect.name == "postgresql"
    drop = DDL("DROP TABLE %(fullname)s CASCADE" if postgresql else "DROP TABLE %(fullname)s")
    for (
        table
    ) in tables.values():  # in any order: this connection doesn't enforce SQLite's foreign keys
        connection.execute(drop.against(table))
    if postgresql:
        for name in connection.scalars(text(FUNCTIONS)).all():
            connection.execute(DDL("DROP FUNCTION %(name)s CASCADE", context={"name": name}))


def _migrate(settings: Settings, connection: Connection, revision: str) -> None:
    config = alembic_config(settings)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _require_known_columns(tables: Tables, manifest: Manifest) -> None:
    for dumped in manifest.tables:
        if dumped.name not in tables or dumped.name in {ALEMBIC, *EXCLUDED}:
            raise BackupError(f"The backup has a table that Laurel doesn't know: {dumped.name}.")
        if unknown := [name for name in dumped.names if name not in tables[dumped.name].columns]:
            raise BackupError(
                f"The backup has a column that {dumped.name} doesn't have: {unknown[0]}."
            )


def _load(connection: Connection, reader: Reader, tables: Tables, advance: Advance) -> None:
    for dumped in reversed(reader.manifest.tables):  # rows that migrations inserted
        connection.execute(tables[dumped.name].delete())
    load = _copy if connection.dialect.name == "postgresql" else _insert
    for dumped in reader.manifest.tables:
        convert = row_converter(dumped.types, DECODE)
        try:
            load(connection, dumped, map(convert, reader.rows(dumped)), advance)
            if dumped.last_id is not None:
                _set_last_id(connection, tables[dumped.name], dumped.last_id)
        except UNFIT as problem:
            raise BackupError(
                f"{reader.name} is damaged: a row of {dumped.name} doesn't fit ({problem!a:.200})."
            ) from None
        number = count(connection, tables[dumped.name])
        if number != dumped.rows:
            raise BackupError(
                f"{dumped.name}: {plural(dumped.rows, 'row was', 'rows were')} backed up, but {number:,} "
                "restored. Nothing was changed."
            )


@contextmanager
def _triggers_off(connection: Connection, tables: Tables) -> Iterator[None]:
    """Restored rows include what triggers computed: those that count holders would count again."""
    if connection.dialect.name == "postgresql":
        for table in tables.values():
            connection.execute(DDL("ALTER TABLE %(fullname)s DISABLE TRIGGER USER").against(table))
        yield
        for table in tables.values():
            connection.execute(DDL("ALTER TABLE %(fullname)s ENABLE TRIGGER USER").against(table))
        return
    columns = sqlite_master.c
    triggers = connection.execute(
        select(columns.name, columns.sql).where(columns.type == "trigger")
    ).all()
    quote = connection.dialect.identifier_preparer.quote
    for name, _ in triggers:
        connection.execute(DDL("DROP TRIGGER %(name)s", context={"name": quote(name)}))
    yield
    for _, create in triggers:
        connection.exec_driver_sql(create)


def _copy(connection: Connection, dumped: DumpedTable, rows: Rows, advance: Advance) -> None:
    """COPY takes a fifth of the time that INSERT does."""
    names = SQL(", ").join(map(Identifier, dumped.names))
    statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(dumped.name), names)
    cursor: Any = connection.connection.cursor()
    with cursor.copy(statement) as copy:
        for number, row in enumerate(rows, 1):
            copy.write_row(row)
            if number % BATCH_SIZE == 0:
                advance(BATCH_SIZE)
    advance(dumped.rows % BATCH_SIZE)


def _insert(connection: Connection, dumped: DumpedTable, rows: Rows, advance: Advance) -> None:
    columns = [column(name, SQLITE_TYPES.get(type_, NullType())) for name, type_ in dumped.columns]
    statement = TableClause(dumped.name, *columns).insert()
    while batch := [dict(zip(dumped.names, row, strict=True)) for row in islice(rows, BATCH_SIZE)]:
        connection.execute(statement, batch)
        advance(len(batch))


def _set_last_id(connection: Connection, table: Table, last_id: int) -> None:
    if connection.dialect.name == "postgresql":
        (key,) = table.primary_key
        sequence = func.pg_get_serial_sequence(table.name, key.name)
        connection.execute(select(func.setval(sequence, max(last_id, 1), last_id > 0)))
        return
    connection.execute(delete(sqlite_sequence).where(sqlite_sequence.c.name == table.name))
    connection.execute(insert(sqlite_sequence).values(name=table.name, seq=last_id))


def _finish(connection: Connection) -> None:
    """Check foreign keys, which SQLite has not enforced, and release leases that were held during the backup."""
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).first()
        if broken:
            raise BackupError(
                f"A row of {broken[0]} refers to a missing row of {broken[2]}. Nothing was changed."
            )
    for table in Base.metadata.tables.values():
        if "lease_owner" in table.columns:
            connection.execute(update(table).values(lease_owner=None, lease_until=None))
