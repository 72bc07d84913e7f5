"""Group revocations: awards of one badge revoked together, so that they can be restored together."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime
from webapp.models.badge import Badge


class GroupRevocation(Base):
    """Its awards refer to it by `Award.group_revocation_id`."""

    __tablename__ = "group_revocations"
    __table_args__ = (NO_ID_REUSE,)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    badge_id: Mapped[int] = mapped_column(ForeignKey("badges.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    members: Mapped[int]  # who lost one or more of the badge's quests
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    badge: Mapped[Badge] = relationship()
