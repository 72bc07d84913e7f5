"""The gate between rules and what they are about.

Who counts an activity or awards a quest notes which rules may have become true of the member, by the rules there are at
that moment; who changes a rule has everybody looked at anew. Between the two nothing may slip through: while a rule
changes, nobody is at noting, and whoever notes then finds the new rule. Both go through it before they lock anything
that the other may want. SQLite has one writer at a time anyhow.
"""

from __future__ import annotations

from webapp.database.locks import Lock, lock_exclusive, lock_shared


def enter() -> None:
    """Before the rules are read to note something by them; any number at once, until the end of the transaction."""
    lock_shared(Lock.RULES)


def close() -> None:
    """Before a rule is changed: waits for those who are inside, and holds up whoever comes, until the commit."""
    lock_exclusive(Lock.RULES)
