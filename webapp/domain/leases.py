"""Leases: a worker holds a row under its own name for a time, and finds out if another worker has taken over.

Each function is one conditional UPDATE, so nothing can happen between checking and writing.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, or_, update

from webapp.database import db, from_now
from webapp.models.lease import CountedLease, Lease

T = TypeVar("T", bound=Lease)


class LeaseLostError(Exception):
    """Another worker may hold the row: write nothing more to it."""


def is_free(table: type[Lease]) -> ColumnElement[bool]:
    return or_(table.lease_until.is_(None), table.lease_until < from_now())


def acquire(
    table: type[T],
    row_id: int | ColumnElement[int],
    condition: ColumnElement[bool],
    owner: str,
    lease: float,
    **values: Any,
) -> T | None:
    """Lease a row for `lease` seconds if the condition holds; return it after the update, or None.

    The condition must include `is_free`. `row_id` may be a subquery for one of several rows.
    """
    held = {"lease_owner": owner, "lease_until": from_now(lease)}
    return _update_if(table, row_id, condition, **held, **values)


def renew(table: type[T], row_id: int, owner: str, lease: float, **values: Any) -> T:
    """Renew a lease and lock the row until the end of the transaction. Raises LeaseLostError."""
    held = table.lease_owner == owner
    row = _update_if(table, row_id, held, lease_until=from_now(lease), **values)
    if row is None:
        raise LeaseLostError
    return row


def release(table: type[Lease], row_id: int, owner: str) -> None:
    _update_if(table, row_id, table.lease_owner == owner, lease_owner=None, lease_until=None)


def record_error(table: type[CountedLease], row_id: int, owner: str, error: str) -> None:
    """Store the last error, in case no later claim gets further. The lease expires by itself."""
    _update_if(table, row_id, table.lease_owner == owner, last_error=error[:500])


def _update_if(
    table: type[T],
    row_id: int | ColumnElement[int],
    condition: ColumnElement[bool],
    **values: Any,
) -> T | None:
    """Return the updated row, or None if the condition doesn't hold."""
    key: Any = table
    statement = update(table).where(key.id == row_id, condition).values(**values)
    return db.session.scalars(
        statement.returning(table),
        execution_options={"synchronize_session": False, "populate_existing": True},
    ).one_or_none()
