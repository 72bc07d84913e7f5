"""Bulk operations, each in the fastest way the database offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import TypeEngine

from webapp.database import Base, db, dialect_name


def reserve(table: type[Base], number: int) -> list[int]:
    """Return the next `number` IDs of a table, ascending, for rows whose IDs must be known before they are inserted.

    No one else gets them: PostgreSQL allocates them, and on SQLite this transaction is the only writer.
    """
    key = table.__table__.c.id
    if dialect_name() == "postgresql":
        sequence = func.pg_get_serial_sequence(table.__tablename__, key.name)
        numbers = func.generate_series(1, number).table_valued("n")
        return list(db.session.scalars(select(func.nextval(sequence)).select_from(numbers)))
    last = db.session.scalar(select(func.max(key))) or 0
    return list(range(last + 1, last + 1 + number))


def insert_many(table: type[Base], columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows, given by column: COPY on PostgreSQL, a prepared INSERT on SQLite.

    Values are plain strings, numbers and datetimes. Raises IntegrityError.
    """
    if not any(columns.values()):
        return
    listed = ", ".join(f'"{name}"' for name in columns)
    connection = db.session.connection()
    if dialect_name() != "postgresql":
        marks = ", ".join("?" for _ in columns)
        kinds = table.__table__.c
        converted = [_driver_values(kinds[name].type, columns[name]) for name in columns]
        connection.exec_driver_sql(
            f"INSERT INTO {table.__tablename__} ({listed}) VALUES ({marks})",
            list(zip(*converted, strict=True)),
        )
        return
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor().copy(f"COPY {table.__tablename__} ({listed}) FROM STDIN") as copy:
            for row in zip(*columns.values(), strict=True):
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.IntegrityError as problem:
        raise IntegrityError(None, None, problem) from problem


def _driver_values(kind: TypeEngine[Any], values: Sequence[Any]) -> Sequence[Any]:
    """Convert values to the driver's type; converts a repeated one once."""
    dialect = db.engine.dialect
    bind = kind.dialect_impl(dialect).bind_processor(dialect)
    if bind is None:
        return values
    made = {value: bind(value) for value in set(values)}
    return [made[value] for value in values]
