"""The lock between changing a rule and noting candidates for it.

Counting an activity or awarding a quest notes candidates for the rules that exist at that moment; changing a rule
evaluates every member. So that no member is missed in between, noting takes the shared lock and changing the exclusive
one, each before any other lock that both might want. SQLite has one writer at a time anyway.
"""

from __future__ import annotations

from webapp.database import locks
from webapp.database.locks import Lock


def lock_shared() -> None:
    locks.lock_shared(Lock.RULES)


def lock_exclusive() -> None:
    locks.lock_exclusive(Lock.RULES)
