"""Counts the SQL of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from webapp.database import db


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that the block sends, but for savepoints; begin and commit are no statements."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "SAVEPOINT" not in statement and statement not in ("BEGIN", "BEGIN IMMEDIATE"):
            seen.append(statement)

    engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
