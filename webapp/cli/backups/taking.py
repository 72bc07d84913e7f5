"""Taking a backup: one moment of the database, read while others write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.engine import make_url

from webapp import models  # noqa: F401  (the tables must be known)
from webapp.cli.backups.archive import Bad, Manifest, Writer
from webapp.cli.backups.engines import revision_of, snapshot
from webapp.cli.backups.kinds import TO_FILE, converter, kind_of
from webapp.config import Settings
from webapp.database import Base
from webapp.database.version import newest_revision

# What would be wrong to bring back: who was signed out, or used a link, would be in again.
LEFT_OUT = {
    "staff_sessions": "everybody signs in anew",
    "staff_links": "a link that was used is used",
    "pending_factors": "they belong to sessions",
    "sign_in_failures": "they count for fifteen minutes",
    "processes": "others run now",
}
STEP = 2_000  # rows that are in memory at once

Note = Callable[[int], None]
Progress = Callable[[str, int], AbstractContextManager[Note]]


def tables() -> list[Table]:
    """The tables that a backup holds, each after those it refers to."""
    return [table for table in Base.metadata.sorted_tables if table.name not in LEFT_OUT]


def take(settings: Settings, path: Path, progress: Progress) -> Manifest:
    """Writes the database as it is now into a new file; raises `Bad` where that can't be."""
    _insist_on_a_file(settings)
    with snapshot(settings) as connection:
        revision = revision_of(connection)
        if revision != newest_revision():
            raise Bad(
                "The database does not have the structure of this version: run `laurel db upgrade`, "
                "or take the backup with the version that it belongs to."
            )
        with Writer(path) as writer:
            counted = {table.name: _count(connection, table) for table in tables()}
            with progress("Writing", sum(counted.values())) as note:
                for table in tables():
                    columns = [[column.name, kind_of(column.type)] for column in table.columns]
                    writer.add(table.name, columns, _rows(connection, table, note))
            last_ids = {
                table.name: _last_id(connection, table) for table in tables() if _numbered(table)
            }
            return writer.finish(datetime.now(UTC), version("laurel"), revision, last_ids)


def _insist_on_a_file(settings: Settings) -> None:
    where = make_url(settings.database_url).database
    if settings.sqlite and not (where and Path(where).is_file()):
        raise Bad(f"There is no database at {where}.")


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _rows(connection: Connection, table: Table, note: Note) -> Iterator[list[Any]]:
    convert = converter([kind_of(column.type) for column in table.columns], TO_FILE)
    found = connection.execution_options(yield_per=STEP).execute(
        select(table).order_by(*table.primary_key)
    )
    for part in found.partitions():
        yield from map(convert, part)
        note(len(part))


def _numbered(table: Table) -> bool:
    """Whether the database numbers the rows by itself."""
    return table.autoincrement_column is not None


def _last_id(connection: Connection, table: Table) -> int:
    """The last id that was given out; a deleted row's too, as none is given out again."""
    (key,) = table.primary_key
    last = connection.scalar(select(func.max(key))) or 0
    if connection.dialect.name == "postgresql":
        sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, key.name)))
        said = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"
        given = connection.scalar(text(said)) if sequence else 0
    else:
        there = connection.scalar(
            text("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'")
        )
        said = "SELECT max(seq) FROM sqlite_sequence WHERE name = :name"
        given = connection.scalar(text(said), {"name": table.name}) if there else 0
    return max(last, given or 0)
