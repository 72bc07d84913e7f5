"""The lock between changing a rule and queuing candidates for it.

Counting an activity or awarding a quest queues candidates for the existing rules, under the shared lock; changing a
rule, which evaluates every member, takes the exclusive one. So no member is missed in between. Take it before any other
lock that both may need. SQLite has one writer at a time anyway.
"""

from __future__ import annotations

from typing import TypeVarTuple

from sqlalchemy import Select, true

from webapp.database import dialect_name, locks
from webapp.database.locks import Lock

Columns = TypeVarTuple("Columns")


def lock_shared() -> None:
    locks.lock_shared(Lock.RULES)


def sharing_lock(query: Select[*Columns]) -> Select[*Columns]:
    """Make a query also do what `lock_shared` does; later statements see the rules as they are then."""
    if dialect_name() == "postgresql":
        return query.join(locks.shared_lock(Lock.RULES), true())
    return query


def lock_exclusive() -> None:
    locks.lock_exclusive(Lock.RULES)
