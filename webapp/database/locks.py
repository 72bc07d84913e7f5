"""PostgreSQL's advisory locks, numbered in one place so that no two features share one.

SQLite needs none: it has one writer at a time.
"""

from __future__ import annotations

from enum import IntEnum, unique

from sqlalchemy import CTE, BigInteger, bindparam, func, literal, select

from webapp.database import db, dialect_name, prepared


@unique
class Lock(IntEnum):
    """What each number protects. All start with `1A03`, so that they are recognizable in `pg_locks`."""

    SIGN_IN_ATTEMPTS = 0x1A03E1
    RULES = 0x1A03E2
    TWO_FACTOR_ROLES = 0x1A03E3
    STAFF_NAMES = 0x1A03E4


def lock_exclusive(lock: Lock) -> None:
    """Take a lock until the end of the transaction, waiting for all other holders."""
    if dialect_name() == "postgresql":
        db.session.execute(_EXCLUSIVE, {"lock": lock.value})


def lock_shared(lock: Lock) -> None:
    """Share a lock until the end of the transaction, waiting for `lock_exclusive`."""
    if dialect_name() == "postgresql":
        db.session.execute(_SHARED, {"lock": lock.value})


def shared_lock(lock: Lock) -> CTE:
    """Return a table with one row, whose reading is `lock_shared`: part of a larger statement, on PostgreSQL."""
    return select(func.pg_advisory_xact_lock_shared(literal(lock.value, BigInteger))).cte()


_LOCK = bindparam("lock", type_=BigInteger)
_EXCLUSIVE = prepared(select(func.pg_advisory_xact_lock(_LOCK)))
_SHARED = prepared(select(func.pg_advisory_xact_lock_shared(_LOCK)))
