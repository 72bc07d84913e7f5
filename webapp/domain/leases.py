"""Leases: a worker holds a row by a name of its own until a moment, and finds out when it was overtaken.

For tables with `lease_owner`, `lease_until` and `trouble`. Each is one UPDATE that can fail: nobody looks first and
writes then.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, or_, update

from webapp.database import db, from_now

T = TypeVar("T")


def is_free(table: Any) -> ColumnElement[bool]:
    """Whether a row is in nobody's hands, or in those of somebody who fell silent."""
    return or_(table.lease_until.is_(None), table.lease_until < from_now())


def acquire(
    table: type[T],
    row_id: int,
    condition: ColumnElement[bool],
    owner: str,
    lease: float,
    **values: Any,
) -> T | None:
    """Takes a row for `lease` seconds where the condition holds, and gives it as it is then; else None.

    The condition has to ask whether the row is `free`.
    """
    held = {"lease_owner": owner, "lease_until": from_now(lease)}
    return update_if(table, row_id, condition, **held, **values)


def renew(table: Any, row_id: int, owner: str, lease: float) -> Any:
    """Renews a lease and, by that, locks the row until the end of the transaction; None where the lease is lost."""
    return update_if(table, row_id, table.lease_owner == owner, lease_until=from_now(lease))


def release(table: Any, row_id: int, owner: str) -> None:
    """Hands a row back, so that any worker may go on with it at once; harmless where the lease is lost."""
    update_if(table, row_id, table.lease_owner == owner, lease_owner=None, lease_until=None)


def record_error(table: Any, row_id: int, owner: str, trouble: str) -> None:
    """Keeps what went wrong, for the case that the row never gets further; the lease runs out by itself."""
    update_if(table, row_id, table.lease_owner == owner, trouble=trouble[:500])


def update_if(table: Any, row_id: int, condition: ColumnElement[bool], **values: Any) -> Any:
    """The row after the change, or None where the condition did not hold."""
    statement = update(table).where(table.id == row_id, condition).values(**values)
    return db.session.scalars(
        statement.returning(table),
        execution_options={"synchronize_session": False, "populate_existing": True},
    ).one_or_none()
