"""Many values in one statement: a list of any length is one parameter, and a table to select from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Integer,
    String,
    Subquery,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

from webapp.database import UtcDateTime, dialect_name


def in_array(key: Any, values: list[Any]) -> ColumnElement[bool]:
    """`key` is one of `values` (ints or strings, any number): one parameter, answered by the key's index."""
    if dialect_name() == "postgresql":
        return key == any_(bindparam(None, values, type_=ARRAY(key.type), unique=True))
    listed = func.json_each(json.dumps(values, ensure_ascii=False)).table_valued(
        column("value", key.type)
    )
    return key.in_(select(listed.c.value))


def array_rows(values: list[int]) -> Subquery:
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


def json_rows(rows: list[dict[str, Any]], **columns: TypeEngine[Any]) -> Subquery:
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
        records = func.json_to_recordset(cast(literal(given_as, String), JSON)).table_valued(*named)
        table = records.render_derived(with_types=True)
        return select(*(table.c[name] for name in columns)).subquery()
    entries = func.json_each(given_as).table_valued("value")
    values = [
        type_coerce(func.json_extract(entries.c.value, f"$.{name}"), of).label(name)
        for name, of in columns.items()
    ]
    return select(*values).subquery()


def ranges(bounds: list[tuple[datetime, datetime]]) -> Subquery:
    """Pairs of moments as a table to select from: columns `place`, `begin` and `end`; any number of them."""
    rows = [
        {"place": place, "begin": begin, "end": end} for place, (begin, end) in enumerate(bounds)
    ]
    return json_rows(rows, place=Integer(), begin=UtcDateTime(), end=UtcDateTime())
