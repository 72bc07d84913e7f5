"""Pass any number of values to a statement as one parameter."""

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
    """True if `key` is one of `values` (ints or strings). Uses one parameter and the key's index."""
    if dialect_name() == "postgresql":
        return key == any_(bindparam(None, values, type_=ARRAY(key.type), unique=True))
    listed = func.json_each(json.dumps(values, ensure_ascii=False)).table_valued(
        column("value", key.type)
    )
    return key.in_(select(listed.c.value))


def array_rows(values: list[int]) -> Subquery:
    """Return the ints as a table with the columns `place` and `value`. Uses one parameter."""
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
    """Return rows as a table to select from, with these column names and types. Uses one parameter.

    Unlike a multi-row VALUES, the statement is compiled once regardless of the number of rows.
    """
    postgres = dialect_name() == "postgresql"
    # SQLite stores UTC without an offset.
    moment = "%Y-%m-%d %H:%M:%S.%f" + ("+00" if postgres else "")
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
    """Return pairs of times as a table with the columns `place`, `begin` and `end`."""
    rows = [
        {"place": place, "begin": begin, "end": end} for place, (begin, end) in enumerate(bounds)
    ]
    return json_rows(rows, place=Integer(), begin=UtcDateTime(), end=UtcDateTime())
