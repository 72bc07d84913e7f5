"""How many of a batch's awards communities show already (CN-3)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from webapp.database import db
from webapp.domain.connections.pushes import minutes_for
from webapp.models import BadgeMapping, BadgeSync, Batch, Connection, Entry, MemberAccount
from webapp.models.batch import SUCCESSES


@dataclass(frozen=True)
class Visibility:
    """A community's part of a batch: its processed members with an account there, and how many of them differ."""

    connection: Connection
    linked: int
    waiting: int
    refused: int
    marking: bool  # awards from before the mapping are still being marked
    undone: bool

    @property
    def done(self) -> int:
        return max(0, self.linked - self.waiting - self.refused)

    @property
    def percent(self) -> int:
        return 100 * self.done // self.linked if self.linked else 100

    @property
    def minutes(self) -> int | None:
        return minutes_for(self.waiting, self.connection.pace)

    @property
    def moving(self) -> bool:
        return bool(self.waiting or self.marking) and self.connection.disabled_at is None


def of_batch(batch: Batch) -> list[Visibility]:
    """Return the communities that show a batch's quest; a query, and two more if there are any."""
    if batch.draft or batch.quest_id is None:
        return []
    mapped = db.session.execute(
        select(Connection, BadgeMapping.mark_after.is_not(None))
        .join(BadgeMapping, BadgeMapping.connection_id == Connection.id)
        .where(BadgeMapping.quest_id == batch.quest_id, Connection.shows_awards)
        .order_by(Connection.name, Connection.id)
    ).all()
    if not mapped:
        return []
    processed = Entry.batch_id == batch.id, Entry.outcome.in_(SUCCESSES)
    linked = dict(
        db.session.execute(
            select(MemberAccount.connection_id, func.count())
            .join(Entry, Entry.member_id == MemberAccount.member_id)
            .where(*processed, MemberAccount.missing_at.is_(None))
            .group_by(MemberAccount.connection_id)
        ).all()
    )
    marked = {
        connection_id: (due, number - due)
        for connection_id, number, due in db.session.execute(
            select(BadgeSync.connection_id, func.count(), func.count(BadgeSync.due_at))
            .join(Entry, Entry.member_id == BadgeSync.member_id)
            .where(*processed, BadgeSync.quest_id == batch.quest_id)
            .group_by(BadgeSync.connection_id)
        )
    }
    return [
        Visibility(
            connection,
            linked.get(connection.id, 0),
            *marked.get(connection.id, (0, 0)),
            marking,
            batch.undone_at is not None,
        )
        for connection, marking in mapped
    ]
