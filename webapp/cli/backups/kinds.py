"""Kinds of values: how each stands in a backup, and how both databases take it back."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Date, Float, Integer, LargeBinary, String
from sqlalchemy.types import TypeEngine

from webapp.database import UtcDateTime

# The first that fits: a Boolean is no Integer here, a UtcDateTime wraps a DateTime.
KINDS: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (UtcDateTime, "moment"),
    (Boolean, "truth"),
    (Integer, "whole"),
    (Float, "number"),
    (Date, "day"),
    (LargeBinary, "bytes"),
    (JSON, "json"),
    (String, "text"),
)

NAMES = frozenset(kind for _, kind in KINDS)


def kind_of(type_: TypeEngine[Any]) -> str:
    """The kind of a column's values; raises TypeError for one that backups don't know."""
    for known, kind in KINDS:
        if isinstance(type_, known):
            return kind
    raise TypeError(f"backups don't know values of {type_!r}")


def _as_it_is(value: Any) -> Any:
    return value


TO_FILE: dict[str, Callable[[Any], Any]] = {
    "moment": lambda value: value.isoformat(),
    "day": lambda value: value.isoformat(),
    "bytes": lambda value: b64encode(value).decode(),
}
TO_POSTGRESQL: dict[str, Callable[[Any], Any]] = {
    "moment": datetime.fromisoformat,
    "day": date.fromisoformat,
    "bytes": b64decode,
    "json": json.dumps,
}
TO_SQLITE: dict[str, Callable[[Any], Any]] = {
    # As SQLAlchemy writes it; moments are kept in UTC.
    "moment": lambda value: f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}",
    "truth": int,
    "bytes": b64decode,
    "json": json.dumps,
}


def converter(
    kinds: list[str], table: dict[str, Callable[[Any], Any]]
) -> Callable[[Any], list[Any]]:
    """Converts the values of a row, each by its kind; what is missing stays so."""
    ways = [table.get(kind, _as_it_is) for kind in kinds]

    def convert(row: Any) -> list[Any]:
        return [None if value is None else way(value) for way, value in zip(ways, row, strict=True)]

    return convert
