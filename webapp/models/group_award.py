"""Group awards: one quest awarded to several members at once, so that it can be undone as a whole."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime
from webapp.models.badge import Quest


class GroupAward(Base):
    """A group award made in the console; its awards refer to it by `Award.group_id`."""

    __tablename__ = "group_awards"
    __table_args__ = (NO_ID_REUSE,)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    quest_id: Mapped[int] = mapped_column(ForeignKey("quests.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    awarded: Mapped[int]
    already_held: Mapped[int]  # members who already had the quest
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    quest: Mapped[Quest] = relationship()
