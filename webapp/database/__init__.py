"""The database: `db`, constraint names, UTC times. The submodules make SQLite and PostgreSQL behave alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    CursorResult,
    DateTime,
    Delete,
    Dialect,
    Executable,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Update,
    bindparam,
    func,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

# Forms and error messages find the field by the constraint's name.
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


# Raised when the database is unreachable or doesn't respond in time.
DB_UNAVAILABLE = (OperationalError, InterfaceError, NoConnection)
RETRY_AFTER = 10  # seconds, after one of DB_UNAVAILABLE


# SQLite assigns IDs only if the type is exactly INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")
LARGEST_ID = 2**63 - 1  # SQLite can't bind larger numbers, but a URL may contain one

# Otherwise SQLite reuses the ID of a deleted row, and a stale page would act on a different row.
NO_ID_REUSE = {"sqlite_autoincrement": True}


def text_key(length: int) -> TypeEngine[str]:
    """String compared byte by byte on both databases, so that an index can answer prefix searches."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware datetime stored and returned in UTC; rejects naive values."""

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


def table(model: type[Base]) -> Table:
    """The model's table, for statements that need no objects and should run without the ORM's share of the time."""
    return cast("Table", model.__table__)


S = TypeVar("S", bound=Executable)


def prepared(statement: S) -> S:
    """Let PostgreSQL plan a statement once per connection; for access by a key, whose plan doesn't depend on values."""
    return statement.execution_options(prepared=True)


def dialect_name() -> str:
    return db.engine.dialect.name


def upsert(model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """Return the dialect's INSERT, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return (postgresql if dialect_name() == "postgresql" else sqlite).insert(table(model))


class _Qualified(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


@compiles(_Qualified)
def _with_tables(element: _Qualified, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **{**kw, "include_table": True})


def returned(condition: ColumnElement[bool], name: str) -> ColumnElement[bool]:
    """Make a condition with a subquery part of RETURNING. For SQLite, table names would be left out, also inside it."""
    return _Qualified(condition).label(name)


def from_now(seconds: float = 0) -> ColumnElement[datetime]:
    """Return the time `seconds` from now on the clock that all workers share (with SQLite, the machine's).

    "Now" is when the statement is executed, so that it can be built once.
    """
    if dialect_name() == "postgresql":
        return func.clock_timestamp() + timedelta(seconds=seconds)
    return bindparam(
        None,
        callable_=lambda: datetime.now(UTC) + timedelta(seconds=seconds),
        type_=UtcDateTime,
        unique=True,
    )


def execute_rowcount(statement: Update | Delete | Insert) -> int:
    """Execute and return the row count. Doesn't synchronize loaded objects."""
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount


def enable_secure_delete() -> None:
    """On SQLite, overwrite what this connection deletes from now on; elsewhere do nothing."""
    if dialect_name() == "sqlite":
        db.session.execute(text("PRAGMA secure_delete = ON"))
