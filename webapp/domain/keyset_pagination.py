"""Keyset pagination: rows added during reading neither repeat nor hide others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, Tuple, literal, tuple_

from webapp.database import Id, UtcDateTime, db

T = TypeVar("T")

After = tuple[Any, ...]


@dataclass(frozen=True)
class KeysetPage(Generic[T]):
    """Some rows, and the key of the last one; None if there are no more."""

    items: list[T]
    after: After | None


def newest_first(
    query: Select[T], moment: Any, key: Any, after: After | None, limit: int
) -> KeysetPage[T]:
    """Return up to `limit` rows, newest first by time and ID; one query. `after` is a time and an ID."""
    if after is not None:
        query = query.where(tuple_(moment, key) < _place(after))
    return _page(query.order_by(moment.desc(), key.desc()), moment, key, limit)


def oldest_first(
    query: Select[T], moment: Any, key: Any, after: After | None, limit: int
) -> KeysetPage[T]:
    """As `newest_first`, in the opposite order."""
    if after is not None:
        query = query.where(tuple_(moment, key) > _place(after))
    return _page(query.order_by(moment, key), moment, key, limit)


def _place(after: After) -> Tuple:
    at, last = after
    return tuple_(literal(at, UtcDateTime), literal(last, Id))


def _page(query: Select[T], moment: Any, key: Any, limit: int) -> KeysetPage[T]:
    rows = list(db.session.scalars(query.limit(limit + 1)).unique())
    more = len(rows) > limit
    rows = rows[:limit]
    return KeysetPage(rows, (_of(rows[-1], moment), _of(rows[-1], key)) if more else None)


def _of(row: Any, column: Any) -> datetime | int:
    value: datetime | int = getattr(row, column.key)
    return value
