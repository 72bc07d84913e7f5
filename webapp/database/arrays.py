"""Pass any number of values to a statement as one parameter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Dialect,
    Integer,
    String,
    Subquery,
    bindparam,
    cast,
    column,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from webapp.database import UtcDateTime, dialect_name


class Array(TypeDecorator[list[Any]]):
    """Any number of values as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = String
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        postgres = dialect.name == "postgresql"
        return dialect.type_descriptor(ARRAY(self.item) if postgres else String())

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else json.dumps(value, ensure_ascii=False)


class _InArray(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True  # otherwise SQLite gets `... = 1` after it


@compiles(_InArray)
def _in_json(element: _InArray, compiler: SQLCompiler, **kw: Any) -> str:
    key, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{key} IN (SELECT value FROM json_each({values}))"


@compiles(_InArray, "postgresql")
def _in_any(element: _InArray, compiler: SQLCompiler, **kw: Any) -> str:
    key, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{key} = ANY ({values})"


def in_array(key: Any, values: list[Any] | str) -> ColumnElement[bool]:
    """True if `key` is one of `values` (ints or strings). Uses one parameter and the key's index.

    In a statement that is built once, give the parameter's name in place of the values.
    """
    return _InArray(key, _parameter(values, Array(key.type)))


def array_rows(values: list[int] | str) -> Subquery:
    """Return the ints, or those of the named parameter, as a table with the columns `place` and `value`."""
    array = _parameter(values, Array(BigInteger()))
    if dialect_name() == "postgresql":
        value = column("value", BigInteger)
        rows = func.unnest(array).table_valued(value, with_ordinality="place").render_derived()
        return select(rows.c.place, rows.c.value).subquery()
    entries = func.json_each(array).table_valued(column("key", Integer), column("value", Integer))
    return select(entries.c.key.label("place"), entries.c.value).subquery()


def _parameter(values: list[Any] | str, of: TypeEngine[Any]) -> BindParameter[Any]:
    if isinstance(values, str):
        return bindparam(values, type_=of)
    return bindparam(None, values, type_=of, unique=True)


class _JsonRows(TypeDecorator[list[dict[str, Any]]]):
    """Rows as JSON; the values of the columns `times` are moments."""

    impl = String
    cache_ok = True

    def __init__(self, times: tuple[str, ...]) -> None:
        super().__init__()
        self.times = times

    def process_bind_param(self, value: list[dict[str, Any]] | None, dialect: Dialect) -> str:
        # SQLite stores UTC without an offset.
        moment = "%Y-%m-%d %H:%M:%S.%f" + ("+00" if dialect.name == "postgresql" else "")
        written = [
            {
                **row,
                **{
                    name: row[name].astimezone(UTC).strftime(moment)
                    for name in self.times
                    if row[name]
                },
            }
            for row in value or ()
        ]
        return json.dumps(written, ensure_ascii=False)


def json_rows(rows: list[dict[str, Any]] | str, **columns: TypeEngine[Any]) -> Subquery:
    """Return rows as a table to select from, with these column names and types. Uses one parameter.

    Unlike a multi-row VALUES, the statement is compiled once regardless of the number of rows. In a statement that is
    built once per dialect, give the parameter's name in place of the rows.
    """
    times = tuple(name for name, of in columns.items() if isinstance(of, UtcDateTime))
    given_as = _parameter(rows, _JsonRows(times))
    if dialect_name() == "postgresql":
        named = [column(name, of) for name, of in columns.items()]
        records = func.json_to_recordset(cast(given_as, JSON)).table_valued(*named)
        table = records.render_derived(with_types=True)
        return select(*(table.c[name] for name in columns)).subquery()
    entries = func.json_each(given_as).table_valued("value")
    values = [
        type_coerce(func.json_extract(entries.c.value, f"$.{name}"), of).label(name)
        for name, of in columns.items()
    ]
    return select(*values).subquery()


def ranges(parameter: str) -> Subquery:
    """Return the pairs of times in the named parameter (`range_rows`) as a table: `place`, `begin` and `end`."""
    return json_rows(parameter, place=Integer(), begin=UtcDateTime(), end=UtcDateTime())


def range_rows(bounds: list[tuple[datetime, datetime]]) -> list[dict[str, Any]]:
    return [
        {"place": place, "begin": begin, "end": end} for place, (begin, end) in enumerate(bounds)
    ]
