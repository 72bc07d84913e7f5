"""PostgreSQL's advisory locks: every number in one place, so that no two features share one.

SQLite has one writer at a time and needs none of them.
"""

from __future__ import annotations

from enum import IntEnum, unique

from sqlalchemy import func, select

from webapp.database import db, dialect_name


@unique
class Lock(IntEnum):
    """What each number protects; all of them start with `1A03`, to be recognised in `pg_locks`."""

    SIGN_IN_ATTEMPTS = 0x1A03E1
    RULES = 0x1A03E2
    TWO_FACTOR_ROLES = 0x1A03E3
    STAFF_NAMES = 0x1A03E4


def lock_exclusive(lock: Lock) -> None:
    """Take a lock alone, until the transaction ends; wait for everyone who has it."""
    if dialect_name() == "postgresql":
        db.session.execute(select(func.pg_advisory_xact_lock(lock.value)))


def lock_shared(lock: Lock) -> None:
    """Take a lock together with others who share it, until the transaction ends; wait for `hold`."""
    if dialect_name() == "postgresql":
        db.session.execute(select(func.pg_advisory_xact_lock_shared(lock.value)))
