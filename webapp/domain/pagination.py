from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Select, func, select

from webapp.database import db

T = TypeVar("T")

PAGE_SIZE = 25


@dataclass(frozen=True)
class Page(Generic[T]):
    """`items` are the rows `first` to `last` of `total`, counted from 1; an empty list has `first` 0."""

    items: list[T]
    number: int
    total: int
    size: int = PAGE_SIZE

    @property
    def first(self) -> int:
        return (self.number - 1) * self.size + 1 if self.items else 0

    @property
    def last(self) -> int:
        return self.first + len(self.items) - 1 if self.items else 0

    @property
    def has_next(self) -> bool:
        return self.number * self.size < self.total

    @property
    def has_previous(self) -> bool:
        return self.number > 1


def paginate(query: Select[T], number: int, size: int = PAGE_SIZE) -> Page[T]:
    """Return a page of a query's rows; two queries. A number out of range gives the nearest page."""
    total = (
        db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    )
    number = min(max(number, 1), max(1, -(-total // size)))
    items = list(db.session.scalars(query.offset((number - 1) * size).limit(size)))
    return Page(items, number, total, size)


def paginate_list(items: list[T], number: int, size: int = PAGE_SIZE) -> Page[T]:
    """Return a page of a list. A number out of range gives the nearest page."""
    number = min(max(number, 1), max(1, -(-len(items) // size)))
    return Page(items[(number - 1) * size : number * size], number, len(items), size)
