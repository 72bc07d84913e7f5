"""Bulk operations, each in the fastest way the database offers."""

from __future__ import annotations

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


def insert_many(table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns: COPY on PostgreSQL, a prepared INSERT on SQLite.

    Values are plain strings, numbers and datetimes. Raises IntegrityError.
    """
    if not rows:
        return
    names = list(rows[0])
    listed = ", ".join(f'"{name}"' for name in names)
    connection = db.session.connection()
    if dialect_name() != "postgresql":
        marks = ", ".join("?" for _ in names)
        columns = [_driver_values(table.__table__.c[name].type, rows, name) for name in names]
        values = list(zip(*columns, strict=True))
        connection.exec_driver_sql(
            f"INSERT INTO {table.__tablename__} ({listed}) VALUES ({marks})", values
        )
        return
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor().copy(f"COPY {table.__tablename__} ({listed}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[name] for name in names])
    except connection.dialect.loaded_dbapi.IntegrityError as problem:
        raise IntegrityError(None, None, problem) from problem


def _driver_values(kind: TypeEngine[Any], rows: list[dict[str, Any]], name: str) -> list[Any]:
    """Convert a column of rows to the driver's type; converts a repeated value once."""
    dialect = db.engine.dialect
    bind = kind.dialect_impl(dialect).bind_processor(dialect)
    if bind is None:
        return [row[name] for row in rows]
    made: dict[Any, Any] = {}
    for row in rows:
        if row[name] not in made:
            made[row[name]] = bind(row[name])
    return [made[row[name]] for row in rows]
