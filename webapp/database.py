"""The database: one `db`, constraint names, UTC times, and what SQLite and PostgreSQL need to behave alike."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

import psycopg.errors as driver_errors
from alembic.script import ScriptDirectory
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    CursorResult,
    DateTime,
    Delete,
    Dialect,
    Engine,
    Integer,
    MetaData,
    String,
    Subquery,
    Update,
    any_,
    bindparam,
    column,
    event,
    func,
    literal,
    select,
    text,
    type_coerce,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
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
    """What every table descends from."""

    metadata = MetaData(naming_convention=NAMES)


db = SQLAlchemy(model_class=Base)

# What is raised when the database is away, or can't answer in time.
AWAY = (OperationalError, InterfaceError, NoConnection)

# SQLite numbers rows by itself only where the key's type is exactly INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")
LARGEST_ID = 2**63 - 1  # an address may name a larger one, which SQLite can't even be asked for

# Without it SQLite gives a deleted row's number to the next one, and an old tab would act on a stranger.
NEVER_AGAIN = {"sqlite_autoincrement": True}


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
    """`sqlite` or `postgresql`, for the few places where one way does not serve both."""
    return db.engine.dialect.name


def server_version() -> str:
    """What the database calls itself, such as `SQLite 3.46.1` or `PostgreSQL 18.4`."""
    if dialect_name() == "postgresql":
        return f"PostgreSQL {db.session.scalar(text('SHOW server_version'))}"
    return f"SQLite {db.session.scalar(select(func.sqlite_version()))}"


def revision() -> str:
    """The last migration that the database has had; "" where it had none."""
    return str(db.session.scalar(text("SELECT max(version_num) FROM alembic_version")) or "")


def migrations_folder() -> Path:
    """The migrations of the checkout, or of the installed package."""
    here = Path(__file__).resolve().parent
    beside = here.parent / "migrations"
    return beside if beside.is_dir() else here / "migrations"


@cache
def newest_revision() -> str:
    """The last migration that this version knows."""
    return ScriptDirectory(str(migrations_folder())).get_current_head() or ""


def from_now(seconds: float = 0) -> ColumnElement[datetime]:
    """The moment `seconds` from now by the clock all workers share: PostgreSQL's own; on SQLite this machine's."""
    if dialect_name() == "postgresql":
        return func.clock_timestamp() + timedelta(seconds=seconds)
    return literal(datetime.now(UTC) + timedelta(seconds=seconds), UtcDateTime)


def among(key: Any, values: list[Any]) -> ColumnElement[bool]:
    """`key` is one of `values` (ints or strings, any number): one parameter, answered by the key's index."""
    if dialect_name() == "postgresql":
        return key == any_(bindparam(None, values, type_=ARRAY(key.type), unique=True))
    listed = func.json_each(json.dumps(values, ensure_ascii=False)).table_valued(
        column("value", key.type)
    )
    return key.in_(select(listed.c.value))


def listed(values: list[int]) -> Subquery:
    """The ints as a table to select from, in their order: columns `place` and `value`; one parameter for any number."""
    if dialect_name() == "postgresql":
        array = bindparam(None, values, type_=ARRAY(BigInteger), unique=True)
        value = column("value", BigInteger)
        rows = func.unnest(array).table_valued(value, with_ordinality="place").render_derived()
        return select(rows.c.place, rows.c.value).subquery()
    entries = func.json_each(json.dumps(values)).table_valued(
        column("key", Integer), column("value", Integer)
    )
    return select(entries.c.key.label("place"), entries.c.value).subquery()


def tabled(rows: list[dict[str, Any]], **columns: TypeEngine[Any]) -> Subquery:
    """The rows as a table to select from, its columns by name and type; one parameter for any number of them.

    Where an INSERT of many `VALUES` is compiled anew for each number of rows, what selects from this is compiled once.
    """
    postgres = dialect_name() == "postgresql"
    moment = "%Y-%m-%d %H:%M:%S.%f" + (
        "+00" if postgres else ""
    )  # SQLite keeps UTC without saying so
    times = [name for name, of in columns.items() if isinstance(of, UtcDateTime)]
    written = [
        {**row, **{name: row[name].astimezone(UTC).strftime(moment) for name in times if row[name]}}
        for row in rows
    ]
    given_as = json.dumps(written, ensure_ascii=False)
    if postgres:
        named = [column(name, of) for name, of in columns.items()]
        given = func.json_to_recordset(cast_to(literal(given_as, String), JSON)).table_valued(
            *named
        )
        table = given.render_derived(with_types=True)
        return select(*(table.c[name] for name in columns)).subquery()
    entries = func.json_each(given_as).table_valued("value")
    values = [
        type_coerce(func.json_extract(entries.c.value, f"$.{name}"), of).label(name)
        for name, of in columns.items()
    ]
    return select(*values).subquery()


def overwrite_what_goes() -> None:
    """On SQLite: what this connection deletes from now on is overwritten, and not only given up; elsewhere nothing."""
    if dialect_name() == "sqlite":
        db.session.execute(text("PRAGMA secure_delete = ON"))


def changed_rows(statement: Update | Delete) -> int:
    """Runs an UPDATE or DELETE and returns how many it met: 0 is how a claim fails. Loaded rows stay."""
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount


def spans(bounds: list[tuple[datetime, datetime]]) -> Subquery:
    """Pairs of moments as a table to select from: columns `place`, `begin` and `end`; any number of them."""
    if dialect_name() == "postgresql":
        moments = ARRAY(DateTime(timezone=True))
        sides = [
            bindparam(None, [pair[side] for pair in bounds], type_=moments, unique=True)
            for side in (0, 1)
        ]
        columns = (column("begin", UtcDateTime), column("end", UtcDateTime))
        rows = func.unnest(*sides).table_valued(*columns, with_ordinality="place").render_derived()
        return select(rows.c.place, rows.c.begin, rows.c.end).subquery()
    written = [[f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" for at in pair] for pair in bounds]
    entries = func.json_each(json.dumps(written)).table_valued(
        column("key", Integer), column("value", String)
    )
    pairs = [
        func.json_extract(entries.c.value, f"$[{side}]", type_=UtcDateTime).label(name)
        for side, name in enumerate(("begin", "end"))
    ]
    return select(entries.c.key.label("place"), *pairs).subquery()


def reserve(table: type[Base], number: int) -> list[int]:
    """The next `number` ids of a table, ascending, for rows whose ids must be known before they are written.

    Nobody else gets them: PostgreSQL hands them out, on SQLite this transaction is the only one that writes.
    """
    key = table.__table__.c.id
    if dialect_name() == "postgresql":
        sequence = func.pg_get_serial_sequence(table.__tablename__, key.name)
        numbers = func.generate_series(1, number).table_valued("n")
        return list(db.session.scalars(select(func.nextval(sequence)).select_from(numbers)))
    last = db.session.scalar(select(func.max(key))) or 0
    return list(range(last + 1, last + 1 + number))


def insert_many(table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Inserts rows that all have the same columns, the quickest way: COPY on PostgreSQL, a prepared INSERT on SQLite.

    Values are plain: texts, numbers, moments. Raises IntegrityError.
    """
    if not rows:
        return
    names = list(rows[0])
    listed = ", ".join(f'"{name}"' for name in names)
    connection = db.session.connection()
    if dialect_name() != "postgresql":
        marks = ", ".join("?" for _ in names)
        columns = [_bound(table.__table__.c[name].type, rows, name) for name in names]
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
    except driver_errors.IntegrityError as problem:
        raise IntegrityError(None, None, problem) from problem


def _bound(kind: TypeEngine[Any], rows: list[dict[str, Any]], name: str) -> list[Any]:
    """A column of rows as the driver takes it; what is the same in all of them is made once."""
    dialect = db.engine.dialect
    bind = kind.dialect_impl(dialect).bind_processor(dialect)
    if bind is None:
        return [row[name] for row in rows]
    made: dict[Any, Any] = {}
    for row in rows:
        if row[name] not in made:
            made[row[name]] = bind(row[name])
    return [made[row[name]] for row in rows]


def connect(app: Flask) -> None:
    """Gives the app its database; call it once, before the first connection."""
    db.init_app(app)
    with app.app_context():
        engine = db.engine
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _sqlite_settings)
            event.listen(engine, "begin", _sqlite_begin)
        _engines.add(engine)


def engine_options(url: str) -> dict[str, Any]:
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
