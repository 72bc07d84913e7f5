"""Count each activity event once, into a sum per member and activity (T-2).

Rule candidates follow from the sums, not from the events.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, select, update
from sqlalchemy.dialects import postgresql, sqlite

from webapp.database import Base, Id, db, upsert
from webapp.database.arrays import in_array, json_rows
from webapp.domain.actor import Actor
from webapp.domain.lookup import locking_members
from webapp.domain.rules import activity_names, candidates
from webapp.domain.rules.locking import lock_shared
from webapp.models import ActivityCount, ActivityEvent, Member, MemberStatus


class ActivityEventIn(NamedTuple):
    """One event. Its ID comes from the community and ensures that it is counted once."""

    event_id: str
    member_id: int
    activity: str
    amount: int
    at: datetime


def record_events(events: list[ActivityEventIn], actor: Actor) -> set[str]:
    """Count events that were not counted before and return their IDs; a fixed number of statements.

    If two events have the same ID, only the first ever counts. Unknown activities are registered. Members whose sums
    reached a rule's threshold are evaluated by a worker after the commit.
    """
    first = {
        event.event_id: event._replace(activity=event.activity.lower())
        for event in reversed(events)
    }
    if not first:
        return set()
    lock_shared()
    there = _lock({event.member_id for event in first.values()})
    first = {key: event for key, event in first.items() if event.member_id in there}
    # Sorted by ID, so that concurrent calls with the same events can't deadlock.
    rows = [first[key]._asdict() for key in sorted(first)]
    written = _insert(ActivityEvent, rows).on_conflict_do_nothing(
        index_elements=[ActivityEvent.event_id]
    )
    fresh = set(db.session.scalars(written.returning(ActivityEvent.event_id)))
    sums: Counter[tuple[int, str]] = Counter()
    for key in fresh:
        sums[first[key].member_id, first[key].activity] += first[key].amount
    if sums:
        activity_names.name({activity for _, activity in sums}, actor.at)
        risen = _add(sums)
        _add_to_members(sums)
        candidates.note_counter_crossings(risen, actor.at)
    return fresh


def _lock(member_ids: set[int]) -> set[int]:
    members = select(Member.id).where(
        in_array(Member.id, sorted(member_ids)), Member.status != MemberStatus.ERASED
    )
    return set(db.session.scalars(locking_members(members)))


def _add(sums: Counter[tuple[int, str]]) -> list[tuple[int, str, int, int]]:
    rows = [
        {"member_id": member_id, "activity": activity, "amount": amount}
        for (member_id, activity), amount in sorted(sums.items())
    ]
    new = _insert(ActivityCount, rows)
    now = db.session.execute(
        new.on_conflict_do_update(
            index_elements=[ActivityCount.member_id, ActivityCount.activity],
            set_={"amount": ActivityCount.amount + new.excluded.amount},
        ).returning(ActivityCount.member_id, ActivityCount.activity, ActivityCount.amount)
    )
    return [
        (member_id, activity, amount - sums[member_id, activity], amount)
        for member_id, activity, amount in now
    ]


def _add_to_members(sums: Counter[tuple[int, str]]) -> None:
    together: Counter[int] = Counter()
    for (member_id, _), amount in sums.items():
        together[member_id] += amount
    rows = [{"member": member_id, "more": together[member_id]} for member_id in sorted(together)]
    more = json_rows(rows, member=Id, more=BigInteger())
    db.session.execute(
        update(Member)
        .where(Member.id == more.c.member)
        .values(activity=Member.activity + more.c.more)
        .execution_options(synchronize_session=False)
    )


def _insert(table: type[Base], rows: list[dict[str, Any]]) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT of ordered rows that sets every column."""
    columns = {column.name: column.type for column in table.__table__.columns}
    given = json_rows(rows, **columns)
    chosen = select(given).where(given.c[next(iter(columns))].is_not(None))
    return upsert(table).from_select(list(columns), chosen, include_defaults=False)
