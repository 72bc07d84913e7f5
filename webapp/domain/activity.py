"""What members did: events are counted, each once, into a sum for each member and activity (T-2)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.dialects import postgresql, sqlite

from webapp.database import db, dialect_name
from webapp.domain.act import Act
from webapp.models import ActivityCount, ActivityEvent


class Happened(NamedTuple):
    """One event: its id is the community's, and decides that it is counted once."""

    event_id: str
    member_id: int
    activity: str
    amount: int
    at: datetime


def count(events: list[Happened], act: Act) -> set[str]:
    """Counts the events that were not counted before, and returns their ids; two statements, whatever their number.

    Of two with one id the first counts, now and for ever. Whoever looks at the new sums does so after this: nothing
    else happens here.
    """
    first = {one.event_id: one for one in reversed(events)}
    if not first:
        return set()
    # In the order of their ids: two calls that share some wait for each other, and never crosswise.
    rows = [{**first[key]._asdict(), "received_at": act.at} for key in sorted(first)]
    fresh = set(
        db.session.scalars(
            _insert(ActivityEvent)
            .values(rows)
            .on_conflict_do_nothing(index_elements=[ActivityEvent.event_id])
            .returning(ActivityEvent.event_id)
        )
    )
    sums: Counter[tuple[int, str]] = Counter()
    for key in fresh:
        sums[first[key].member_id, first[key].activity] += first[key].amount
    if sums:
        _add(sums)
    return fresh


def _add(sums: Counter[tuple[int, str]]) -> None:
    new = _insert(ActivityCount).values(
        [
            {"member_id": member_id, "activity": activity, "amount": amount}
            for (member_id, activity), amount in sorted(sums.items())
        ]
    )
    db.session.execute(
        new.on_conflict_do_update(
            index_elements=[ActivityCount.member_id, ActivityCount.activity],
            set_={"amount": ActivityCount.amount + new.excluded.amount},
        )
    )


def _insert(table: type[ActivityEvent] | type[ActivityCount]) -> Any:
    dialect: Any = postgresql if dialect_name() == "postgresql" else sqlite
    return dialect.insert(table)
