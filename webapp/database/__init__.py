"""The database: one `db`, constraint names, UTC times; in the rooms what SQLite and PostgreSQL need to behave alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CursorResult,
    DateTime,
    Delete,
    Dialect,
    Insert,
    Integer,
    MetaData,
    String,
    Update,
    func,
    literal,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

# A constraint's name is its address: forms and messages find the field by it.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


db = SQLAlchemy(model_class=Base)


# What is raised when the database is away, or can't answer in time.
DB_UNAVAILABLE = (OperationalError, InterfaceError, NoConnection)
RETRY_AFTER = 10  # seconds, after such an error


# SQLite numbers rows by itself only where the key's type is exactly INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")
LARGEST_ID = 2**63 - 1  # an address may name a larger one, which SQLite can't even be asked for

# Without it SQLite gives a deleted row's number to the next one, and an old tab would act on a stranger.
NO_ID_REUSE = {"sqlite_autoincrement": True}


def text_key(length: int) -> TypeEngine[str]:
    """A string compared byte by byte on both databases, so that a prefix is a range that an index answers."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware datetimes go in and come out in UTC; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def dialect_name() -> str:
    return db.engine.dialect.name


def upsert(table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT with `on_conflict_do_nothing` and `on_conflict_do_update` of the dialect in use."""
    return (postgresql if dialect_name() == "postgresql" else sqlite).insert(table)


def from_now(seconds: float = 0) -> ColumnElement[datetime]:
    """The moment `seconds` from now by the clock all workers share: PostgreSQL's own; on SQLite this machine's."""
    if dialect_name() == "postgresql":
        return func.clock_timestamp() + timedelta(seconds=seconds)
    return literal(datetime.now(UTC) + timedelta(seconds=seconds), UtcDateTime)


def execute_rowcount(statement: Update | Delete | Insert) -> int:
    """Runs an UPDATE, DELETE or INSERT and returns how many rows it met: 0 is how a claim fails. Loaded rows stay."""
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount


def enable_secure_delete() -> None:
    """On SQLite: what this connection deletes from now on is overwritten, and not only given up; elsewhere nothing."""
    if dialect_name() == "sqlite":
        db.session.execute(text("PRAGMA secure_delete = ON"))
