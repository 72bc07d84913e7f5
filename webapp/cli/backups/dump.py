"""Write a backup: one moment of the database, read while others write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Table, TableClause, cast, column, func, select
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.engine import make_url

from webapp import models, package  # noqa: F401  (registers the tables)
from webapp.cli.backups.archive import BackupError, Manifest, Writer
from webapp.cli.backups.column_types import ENCODE, row_converter, type_name
from webapp.cli.backups.connections import count, snapshot
from webapp.cli.files import STANDARD, open_output
from webapp.cli.output import progress_bar
from webapp.config import Settings
from webapp.database import Base
from webapp.database.version import newest_revision

# Tables whose rows must not come back, or are useless elsewhere.
EXCLUDED = {
    "staff_sessions": "everybody signs in again",
    "setup_links": "a used link must stay used",
    "staff_links": "a used link must stay used",
    "pending_factors": "they belong to sessions",
    "sso_sessions": "they belong to sessions",
    "provider_outages": "they are of the moment",
    "login_attempts": "they count for fifteen minutes",
    "events": "they are in the order of this database's commits; readers of the feed load everything again",
    "event_feed": "as the events",
    "processes": "other processes run after a restore",
}
BATCH_SIZE = 2_000  # rows in memory at once

Advance = Callable[[int], None]

sqlite_sequence = TableClause("sqlite_sequence", column("name"), column("seq"))


def tables() -> list[Table]:
    """The tables that a backup holds, parents before their children."""
    return [table for table in Base.metadata.sorted_tables if table.name not in EXCLUDED]


def write_backup(settings: Settings, path: Path) -> Manifest:
    """Write the database as it is now to a new file, or to standard output.

    Raises BackupError if there is no database, its structure is not this version's, or the file exists.
    """
    _require_database(settings)
    with snapshot(settings) as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        if revision != newest_revision():
            raise BackupError(
                "The database has the schema of another version. Run “laurel db upgrade”, or write the backup with "
                "that version of Laurel."
            )
        if path != STANDARD and path.is_file():
            raise BackupError(f"{path} already exists. Choose a new file.")
        with open_output(path) as file, Writer(file) as writer:
            total = sum(count(connection, table) for table in tables())
            with progress_bar("Writing", total) as bar:
                for table in tables():
                    columns = [[column.name, type_name(column.type)] for column in table.columns]
                    writer.add(table.name, columns, _rows(connection, table, bar.update))
            last_ids = {
                table.name: _last_id(connection, table)
                for table in tables()
                if table.autoincrement_column is not None
            }
            return writer.finish(datetime.now(UTC), package.version(), revision, last_ids)


def _require_database(settings: Settings) -> None:
    file = make_url(settings.database_url).database
    if settings.sqlite and not (file and Path(file).is_file()):
        raise BackupError(f"There is no database at {file}.")


def _rows(connection: Connection, table: Table, advance: Advance) -> Iterator[list[Any]]:
    convert = row_converter([type_name(column.type) for column in table.columns], ENCODE)
    result = connection.execution_options(yield_per=BATCH_SIZE).execute(
        table.select().order_by(*table.primary_key)
    )
    for rows in result.partitions():
        yield from map(convert, rows)
        advance(len(rows))


def _last_id(connection: Connection, table: Table) -> int:
    """The highest id ever used, deleted rows included: ids are not used twice."""
    (key,) = table.primary_key
    if connection.dialect.name == "postgresql":
        sequence = cast(func.pg_get_serial_sequence(table.name, key.name), REGCLASS)
        used = select(func.pg_sequence_last_value(sequence))
    else:
        used = select(sqlite_sequence.c.seq).where(sqlite_sequence.c.name == table.name)
    return max(connection.scalar(select(func.max(key))) or 0, connection.scalar(used) or 0)
