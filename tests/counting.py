"""Count the SQL statements of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from webapp.database import db

# The last use of a session or a key is written once a minute: on a slow machine, one of two equal requests
# could have one statement more.
NOTES = ("UPDATE staff_sessions SET seen_at=", "UPDATE api_keys SET used_at=")


@contextmanager
def statements() -> Iterator[list[str]]:
    """The block's statements, without savepoints and updates of last use; begin and commit don't count."""
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
