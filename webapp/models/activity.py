"""Members' activities: events, each counted once, and their sums."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, UtcDateTime, text_key


class ActivityEvent(Base):
    """An event as the community sent it. Its ID ensures that it is counted once."""

    __tablename__ = "activity_events"
    __table_args__ = (Index("ix_activity_events_member_id", "member_id", "at"),)

    event_id: Mapped[str] = mapped_column(text_key(190), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"))
    activity: Mapped[str] = mapped_column(text_key(60))
    amount: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ActivityCount(Base):
    __tablename__ = "activity_counts"
    # Counts the members who qualify under a rule before it is saved.
    __table_args__ = (Index("ix_activity_counts_activity", "activity", "amount"),)

    member_id: Mapped[int] = mapped_column(
        ForeignKey("members.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    activity: Mapped[str] = mapped_column(text_key(60), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
