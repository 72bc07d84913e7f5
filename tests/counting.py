"""Counts the SQL of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from webapp.database import db

# That a session or a key was used is noted once a minute: on a slow machine one of two equal requests would have one
# statement more than the other.
NOTES = ("UPDATE staff_sessions SET seen_at=", "UPDATE api_keys SET used_at=")


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that the block sends, but for savepoints and notes of use; begin and commit are no statements."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "SAVEPOINT" not in statement and not statement.startswith(("BEGIN", *NOTES)):
            seen.append(statement)

    engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
