"""The feed of events: what webhooks say, in the order in which it was committed, for 90 days (A-8).

Transactions don't commit in the order of the IDs they take, so a reader that remembers the last ID could miss events.
Therefore rows get a position only after their commit, from one process at a time, and cursors name positions: no event
ever appears behind one (docs/adr/0038).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, exists, func, or_, select, update

from webapp.database import db, enable_secure_delete, execute_rowcount, upsert
from webapp.database.arrays import in_array
from webapp.domain.errors import DomainError
from webapp.models import ErasedMember, EventFeed, EventGroup, WebhookEvent

KEPT_FOR = timedelta(days=90)
SLICE = 1_000  # rows placed in one transaction; at least a page, so that a page is complete

_UNPLACED = exists().where(EventGroup.position.is_(None))


class Place(NamedTuple):
    """Where to go on reading: after `offset` events of a position. The epoch identifies the feed."""

    epoch: int
    position: int
    offset: int = 0


@dataclass(frozen=True)
class Event:
    """One event, identified like its webhook deliveries."""

    kind: WebhookEvent
    subject_id: int
    occurrence: int
    at: datetime


@dataclass(frozen=True)
class FeedPage:
    events: list[Event]
    next: Place
    more: bool


class EventsExpiredError(DomainError):
    """Some of the events after this place have been deleted, or the database was restored from a backup."""

    def __init__(self) -> None:
        super().__init__("webhooks.events_expired", "after")


def has_unplaced() -> bool:
    return bool(db.session.scalar(select(_UNPLACED)))


def is_behind() -> bool:
    """True if `place` must be called before reading: there are new rows, or there is no feed yet."""
    return bool(db.session.scalar(select(or_(_UNPLACED, ~exists().select_from(EventFeed)))))


def place(number: int = SLICE) -> int:
    """Give the next positions to up to `number` committed rows, in the order of their IDs; return how many got one.

    A change that follows another has seen its commit: its row has a higher ID, and doesn't become visible earlier.
    """
    feed = (
        _lock()
    )  # before the rows are read: they must include all that the lock's last holder saw
    placed = (
        select(EventGroup.id, func.row_number().over(order_by=EventGroup.id).label("place"))
        .where(EventGroup.position.is_(None))
        .order_by(EventGroup.id)
        .limit(number)
        .subquery()
    )
    count = execute_rowcount(
        update(EventGroup)
        .where(EventGroup.id == placed.c.id)
        .values(position=feed.last_position + placed.c.place)
    )
    feed.last_position += count
    return count


def end() -> Place:
    """Return the place after the last event, where an initial load starts."""
    feed = _feed()
    return Place(feed.epoch, feed.last_position + 1)


def read(after: Place | None, limit: int) -> FeedPage:
    """Return up to `limit` events from a place, or the oldest ones; two queries. Raises EventsExpiredError.

    Without new events, the page's `next` is the same place again.
    """
    start = after or Place(0, 0)
    rows = _rows(start, limit)
    # After the rows: those not deleted until now were there.
    feed = _feed()
    if after and (after.epoch != feed.epoch or after.position <= feed.deleted_position):
        raise EventsExpiredError
    found = [
        (Place(feed.epoch, row.position, offset), _event(row, subject_id))
        for row in rows
        for offset, subject_id in enumerate(row.subject_ids)
        if (row.position, offset) >= (start.position, start.offset)
    ]
    if len(found) > limit:
        following = found[limit][0]
    elif rows:
        following = Place(feed.epoch, rows[-1].position + 1)
    else:
        following = after or Place(feed.epoch, feed.deleted_position + 1)
    return FeedPage([event for _, event in found[:limit]], following, len(found) > limit)


def erased_ids(member_ids: list[int]) -> dict[int, str]:
    """Return the community's IDs of members erased in the last 90 days; one query."""
    query = select(ErasedMember.member_id, ErasedMember.external_id)
    found = db.session.execute(query.where(in_array(ErasedMember.member_id, member_ids)))
    return dict(found.all())


def purge(at: datetime) -> None:
    """Delete events after 90 days, from the start of the feed, and the IDs of members erased before."""
    enable_secure_delete()
    feed = _lock()
    oldest = at - KEPT_FOR
    kept = select(EventGroup.position).where(EventGroup.position > 0, EventGroup.at >= oldest)
    first = db.session.scalar(kept.order_by(EventGroup.position).limit(1))
    feed.deleted_position = feed.last_position if first is None else first - 1
    db.session.execute(delete(EventGroup).where(EventGroup.position <= feed.deleted_position))
    db.session.execute(delete(ErasedMember).where(ErasedMember.erased_at < oldest))


def _rows(start: Place, limit: int) -> Sequence[Row[Any]]:
    """Return the rows with the next `limit` + 1 events."""
    following = (
        select(EventGroup)
        .where(EventGroup.position >= start.position)
        .order_by(EventGroup.position)
        .limit(limit + 1)
        .subquery()
    )
    total = func.sum(following.c.number).over(order_by=following.c.position)
    counted = select(following, (total - following.c.number).label("before")).subquery()
    query = select(counted).where(counted.c.before <= start.offset + limit)
    return db.session.execute(query.order_by(counted.c.position)).all()


def _event(row: Row[Any], subject_id: int) -> Event:
    return Event(WebhookEvent(row.kind), subject_id, row.occurrence, row.at)


def _feed() -> EventFeed:
    fresh = {"populate_existing": True}
    return db.session.scalars(select(EventFeed), execution_options=fresh).one()


def _lock() -> EventFeed:
    """Lock the feed, so that one process at a time changes positions; create it if there is none."""
    first = {"id": 1, "epoch": secrets.randbits(48), "last_position": 0, "deleted_position": 0}
    db.session.execute(upsert(EventFeed).values(first).on_conflict_do_nothing())
    query = select(EventFeed).with_for_update()
    return db.session.scalars(query, execution_options={"populate_existing": True}).one()
