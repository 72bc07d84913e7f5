"""Events: what happened to awards, members, badges, quests, rules and batches, for other systems to follow."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime

UNPLACED = text("position IS NULL")


class EventGroup(Base):
    """Events of one kind that happened together: one for each of `subject_ids`. Without personal data.

    A row is written without a position in the transaction of the change. Once that is committed, it gets the next
    `position`, and never changes again.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("uq_events_position", "position", unique=True),
        Index("ix_events_unplaced", "id", postgresql_where=UNPLACED, sqlite_where=UNPLACED),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    position: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    subject_ids: Mapped[list[int]] = mapped_column(JSON)
    number: Mapped[int] = mapped_column()  # of subjects
    occurrence: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class EventFeed(Base):
    """The positions of the feed: one row, or none before the first event. `epoch` changes if the feed starts over."""

    __tablename__ = "event_feed"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)  # always 1
    epoch: Mapped[int] = mapped_column(BigInteger)
    last_position: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    deleted_position: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class ErasedMember(Base):
    """The community's ID of an erased member, kept as long as the event that tells other systems to erase them."""

    __tablename__ = "erased_members"

    member_id: Mapped[int] = mapped_column(
        ForeignKey("members.id"), primary_key=True, autoincrement=False
    )
    external_id: Mapped[str] = mapped_column(String(190))
    erased_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
