"""Badges and their quests."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Index, String, Text, exists, select, text
from sqlalchemy.orm import Mapped, aliased, column_property, mapped_column, relationship

from webapp.database import Base, Id, UtcDateTime, text_key

OPEN = text("archived_at IS NULL")


class Badge(Base):
    """Shown on a profile, as an image (`art_hash`) or drawn from shape, color and icon.

    Badges that aren't archived have unique names. `holders` is written only by triggers (see triggers.py).
    """

    __tablename__ = "badges"
    __table_args__ = (
        Index(
            "uq_badges_name_key",
            "name_key",
            unique=True,
            postgresql_where=OPEN,
            sqlite_where=OPEN,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str] = mapped_column(text_key(360), default="", server_default="")
    version: Mapped[int] = mapped_column(default=0, server_default="0")  # of its settings
    description: Mapped[str] = mapped_column(Text, default="", server_default="")
    automatic: Mapped[bool] = mapped_column(default=False, server_default="0")
    shape: Mapped[str] = mapped_column(String(20), default="circle", server_default="circle")
    colour: Mapped[str] = mapped_column(String(20), default="green", server_default="green")
    icon: Mapped[str] = mapped_column(String(40), default="award", server_default="award")
    art_hash: Mapped[str] = mapped_column(String(32), default="", server_default="")
    holders: Mapped[int] = mapped_column(default=0, server_default="0")  # each member once
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    quests: Mapped[list[Quest]] = relationship(
        back_populates="badge", order_by="Quest.position, Quest.id"
    )

    @property
    def received(self) -> str:
        """Return the mode's label."""
        return "Automatic" if self.automatic else "Manual"


class Quest(Base):
    """One way to earn a badge. Triggers maintain `holders`, as for the badge."""

    __tablename__ = "quests"
    __table_args__ = (
        Index("ix_quests_badge_id", "badge_id"),
        Index(
            "uq_quests_name_key",
            "badge_id",
            "name_key",
            unique=True,
            postgresql_where=OPEN,
            sqlite_where=OPEN,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    badge_id: Mapped[int] = mapped_column(ForeignKey("badges.id"))
    name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str] = mapped_column(text_key(360), default="", server_default="")
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    holders: Mapped[int] = mapped_column(default=0, server_default="0")
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    badge: Mapped[Badge] = relationship(back_populates="quests")
    if TYPE_CHECKING:
        is_only: Mapped[bool]

    @property
    def title(self) -> str:
        """Its name in messages and the audit log: `Badge`, or `Badge (Quest)` if the badge has other quests."""
        return self.badge.name if self.is_only else f"{self.badge.name} ({self.name})"

    @property
    def tier(self) -> int:
        """Its number among the badge's quests, 1 for the first; 0 if it is the only one."""
        return 0 if self.is_only else self.position + 1

    @property
    def open(self) -> bool:
        return self.archived_at is None and self.badge.archived_at is None


_other = aliased(Quest)
Quest.is_only = column_property(  # whether its badge has no other quest, archived or not
    ~exists(select(_other.id).where(_other.badge_id == Quest.badge_id, _other.id != Quest.id))
)
