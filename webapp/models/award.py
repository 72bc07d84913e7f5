"""Awards: a member holds, or held, a quest; active or revoked, never deleted.

Undoing a revocation keeps the revoked award and adds one that `restores` it, with its date, source and reason. So a
restored badge is as old as before, and the history is complete. Counts of awards made exclude these.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, and_, text
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column, relationship

from webapp.database import Base, Id, UtcDateTime
from webapp.messages import rules
from webapp.models.badge import Quest
from webapp.models.member import Member

ACTIVE = text("revoked_at IS NULL")
BATCHED = text("batch_id IS NOT NULL")
GROUPED = text("group_id IS NOT NULL")
TOGETHER = text("group_revocation_id IS NOT NULL")
RESTORED = text("restores_id IS NOT NULL")
REVOKED = text("revoked_at IS NOT NULL")


def _awarded_at(context: Any) -> datetime:
    at: datetime = context.get_current_parameters()["awarded_at"]
    return at


class AwardSource(StrEnum):
    """What made or revoked an award."""

    PROFILE = "profile"
    GROUP = "group"
    BATCH = "batch"
    API = "api"
    RULE = "rule"
    IMPORT = "import"

    @property
    def label(self) -> str:
        return "API" if self is AwardSource.API else self.value.capitalize()


# Sources whose undo revokes several awards at once. Rules may award these again (M-14).
UNDO_SOURCES = (AwardSource.BATCH, AwardSource.GROUP)

HOLDERS = "holders"  # revoke_source of awards revoked together in the list of holders
# Revocations that the person who made them can undo.
UNDOABLE = (AwardSource.PROFILE, HOLDERS)


class Award(Base):
    """An award. A unique index allows at most one active award per member and quest."""

    __tablename__ = "awards"
    __table_args__ = (
        Index(
            "uq_awards_active",
            "member_id",
            "quest_id",
            unique=True,
            postgresql_where=ACTIVE,
            sqlite_where=ACTIVE,
        ),
        # Covers all awards, not only active ones: otherwise PostgreSQL, with statistics that lack a running batch's
        # awards, would use it for the batch's entries and read thousands of rows for each.
        Index("ix_awards_quest_id_awarded_at", "quest_id", "awarded_at"),
        Index("ix_awards_member_id_awarded_at", "member_id", "awarded_at"),
        Index(
            "uq_awards_restores_id",
            "restores_id",
            unique=True,
            postgresql_where=RESTORED,
            sqlite_where=RESTORED,
        ),
        Index("ix_awards_batch_id", "batch_id", postgresql_where=BATCHED, sqlite_where=BATCHED),
        Index("ix_awards_group_id", "group_id", postgresql_where=GROUPED, sqlite_where=GROUPED),
        Index(
            "ix_awards_group_revocation_id",
            "group_revocation_id",
            postgresql_where=TOGETHER,
            sqlite_where=TOGETHER,
        ),
        Index("ix_awards_awarded_at", "awarded_at"),  # newest awards overall
        # The newest awards of a source; and awards per day by source without restored ones, an index-only count.
        Index("ix_awards_source", "source", "awarded_at", "restores_id"),
        Index("ix_awards_revoked", "awarded_at", postgresql_where=REVOKED, sqlite_where=REVOKED),
        Index("ix_awards_updated_at", "updated_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    quest_id: Mapped[int] = mapped_column(ForeignKey("quests.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("batches.id"))
    source: Mapped[AwardSource] = mapped_column(String(12))
    awarded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    awarded_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    revoke_source: Mapped[str] = mapped_column(String(12), default="", server_default="")
    revoke_reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    # The API key that did it. No foreign key (SQLite couldn't drop the columns again); keys are never deleted.
    awarded_key: Mapped[int | None] = mapped_column(Id)
    revoked_key: Mapped[int | None] = mapped_column(Id)
    group_id: Mapped[int | None] = mapped_column(Id)  # the group award; no foreign key either
    group_revocation_id: Mapped[int | None] = mapped_column(Id)  # and neither here
    restores_id: Mapped[int | None] = mapped_column(ForeignKey("awards.id"))
    restored_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    restored_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=_awarded_at, server_default=text("'1970-01-01 00:00:00'")
    )

    member: Mapped[Member] = relationship()
    quest: Mapped[Quest] = relationship()

    @classmethod
    def is_active(
        cls, member_id: InstrumentedAttribute[int], quest_id: int | None
    ) -> ColumnElement[bool]:
        """True for a member's active award of a quest, found among the member's awards.

        `+ 0` keeps PostgreSQL from searching all awards of the quest for each member, as it may while its statistics
        are older than those awards: a member has only a few.
        """
        return and_(
            cls.member_id == member_id, cls.quest_id + 0 == quest_id, cls.revoked_at.is_(None)
        )

    @property
    def reason_text(self) -> str:
        """Return the reason in words; for an award by a rule, the conditions that the member met."""
        by_rule = self.source == AwardSource.RULE and self.reason
        return rules.unpack(self.reason) if by_rule else self.reason
