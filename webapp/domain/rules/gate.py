"""The gate between rules and what they are about.

Who counts an activity or awards a quest notes which rules may have become true of the member, by the rules there are at
that moment; who changes a rule has everybody looked at anew. Between the two nothing may slip through: while a rule
changes, nobody is at noting, and whoever notes then finds the new rule. Both go through it before they lock anything
that the other may want. SQLite has one writer at a time anyhow.
"""

from __future__ import annotations

from sqlalchemy import func, select

from webapp.database import db, dialect_name

LOCK = 0x1A03E2  # PostgreSQL's advisory lock; any number that is ours alone


def enter() -> None:
    """Before the rules are read to note something by them; any number at once, until the end of the transaction."""
    if dialect_name() == "postgresql":
        db.session.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))


def close() -> None:
    """Before a rule is changed: waits for those who are inside, and holds up whoever comes, until the commit."""
    if dialect_name() == "postgresql":
        db.session.execute(select(func.pg_advisory_xact_lock(LOCK)))
