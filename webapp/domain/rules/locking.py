"""The lock between changing a rule and queuing candidates for it.

Counting an activity or awarding a quest queues candidates for the existing rules, under the shared lock; changing a
rule, which evaluates every member, takes the exclusive one. So no member is missed in between. Take it before any other
lock that both may need. SQLite has one writer at a time anyway.
"""

from __future__ import annotations

from webapp.database import locks
from webapp.database.locks import Lock


def lock_shared() -> None:
    locks.lock_shared(Lock.RULES)


def lock_exclusive() -> None:
    locks.lock_exclusive(Lock.RULES)
