"""Pictures of badges, apart from the badges: lists of badges don't carry them along."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime


class Image(Base):
    """The image of a badge, drawn anew from an upload as WebP in two sizes; `hash` is of both and in their address."""

    __tablename__ = "images"

    badge_id: Mapped[int] = mapped_column(
        Id, ForeignKey("badges.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    hash: Mapped[str] = mapped_column(String(32))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    small: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
