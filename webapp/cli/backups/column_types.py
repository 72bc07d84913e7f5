"""How the values of each type of column are written to a backup and read back."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Date, Float, Integer, LargeBinary, String
from sqlalchemy.types import TypeEngine

from webapp.database import UtcDateTime

# The names are part of the file format. The first match counts: a Boolean must not become an Integer.
TYPE_NAMES: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (UtcDateTime, "moment"),
    (Boolean, "truth"),
    (Integer, "whole"),
    (Float, "number"),
    (Date, "day"),
    (LargeBinary, "bytes"),
    (JSON, "json"),
    (String, "text"),
)

NAMES = frozenset(name for _, name in TYPE_NAMES)


def type_name(type_: TypeEngine[Any]) -> str:
    """The name of a column's type in a backup; raises TypeError if backups can't hold it."""
    for known, name in TYPE_NAMES:
        if isinstance(type_, known):
            return name
    raise TypeError(f"backups don't know values of {type_!r}")


Convert = Callable[[Any], Any]

ENCODE: dict[str, Convert] = {
    "moment": lambda value: value.isoformat(),
    "day": lambda value: value.isoformat(),
    "bytes": lambda value: b64encode(value).decode(),
}
DECODE: dict[str, Convert] = {
    "moment": datetime.fromisoformat,
    "day": date.fromisoformat,
    "bytes": b64decode,
    "json": json.dumps,  # the database takes JSON as text
}


def row_converter(types: list[str], converters: dict[str, Convert]) -> Callable[[Any], list[Any]]:
    """A function that converts the values of a row, each by the name of its type; None stays None."""
    functions = [converters.get(name, lambda value: value) for name in types]

    def convert(row: Any) -> list[Any]:
        return [
            None if value is None else function(value)
            for function, value in zip(functions, row, strict=True)
        ]

    return convert
