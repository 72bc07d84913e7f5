"""Mark badges that may differ in a community from here, in the transaction that changes an award (ADR 46).

What is marked is that something may differ, not what to do about it: `connections.pushes` reads the present state when
it sends it. So marking twice, late or for nothing is harmless.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    and_,
    bindparam,
    exists,
    literal,
    select,
    update,
)

from webapp.database import UtcDateTime, db, dialect_name, execute_rowcount, upsert
from webapp.database.arrays import in_array
from webapp.infrastructure import job_queue
from webapp.models import Award, BadgeMapping, BadgeSync, MemberAccount

KEY = ["connection_id", "quest_id", "member_id"]


def is_in_use() -> ColumnElement[bool]:
    """True if any community shows awards; part of a larger query."""
    return exists(select(BadgeMapping.id))


def mark_awards(award_ids: list[int], at: datetime) -> None:
    """Mark the badges of these awards' members in all communities that show them; one statement."""
    if award_ids:
        values = {"award_ids": award_ids, "at": at}
        _enqueue(set(db.session.scalars(_mark_awards(dialect_name()), values)))


@cache
def _mark_awards(_dialect: str) -> Executable:
    return _marking(_shown().where(in_array(Award.id, "award_ids")))


def mark_accounts(account_ids: list[int], at: datetime) -> None:
    """Mark all awards of members whose accounts have just been linked; two statements."""
    if account_ids:
        these = in_array(MemberAccount.id, account_ids)
        marked = _marking(_shown().where(these, Award.revoked_at.is_(None)))
        _enqueue(set(db.session.scalars(marked, {"at": at})))
        execute_rowcount(update(MemberAccount).where(these).values(marked=True))


def mark_members(mapping: BadgeMapping, first: int, last: int, at: datetime) -> None:
    """Mark the holders of a mapped quest among the members with these IDs; one statement."""
    holders = _shown().where(
        BadgeMapping.id == mapping.id,
        Award.member_id.between(first, last),
        Award.revoked_at.is_(None),
    )
    db.session.execute(_marking(holders), {"at": at})


def mark(rows: Select[int, int, int], at: datetime) -> int:
    """Mark what a query selects: connection, quest and member; return how many."""
    return len(db.session.scalars(_marking(rows), {"at": at}).all())


def _shown() -> Select[int, int, int]:
    """Select connection, quest and member of awards that a community shows."""
    account = and_(
        MemberAccount.member_id == Award.member_id,
        MemberAccount.connection_id == BadgeMapping.connection_id,
        MemberAccount.missing_at.is_(None),
    )
    return (
        select(BadgeMapping.connection_id, Award.quest_id, Award.member_id)
        .select_from(Award)
        .join(BadgeMapping, BadgeMapping.quest_id == Award.quest_id)
        .join(MemberAccount, account)
    )


def _marking(rows: Select[int, int, int]) -> Executable:
    """Return the statement that marks what a query selects, and returns the connections."""
    at = bindparam("at", type_=UtcDateTime)
    found = rows.distinct().subquery()
    ordered = select(*found.c, literal(0), at, literal([], BadgeSync.problem.type))
    ordered = ordered.order_by(*found.c)  # two transactions never wait for each other
    new = upsert(BadgeSync)
    return (
        new.from_select([*KEY, "version", "due_at", "problem"], ordered, include_defaults=False)
        .on_conflict_do_update(
            index_elements=KEY,
            set_={
                "version": BadgeSync.version + 1,
                "due_at": new.excluded.due_at,
                "problem": new.excluded.problem,
            },
        )
        .returning(BadgeSync.connection_id)
    )


def _enqueue(connection_ids: set[int]) -> None:
    for connection_id in connection_ids:
        job_queue.enqueue_after_commit("push", connection_id)
