"""Badge images, in their own table so that lists of badges don't load them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime


class Image(Base):
    """A badge's image, re-encoded as WebP in two sizes; `hash` covers both and is part of their URL."""

    __tablename__ = "images"

    badge_id: Mapped[int] = mapped_column(
        Id, ForeignKey("badges.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    hash: Mapped[str] = mapped_column(String(32))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    small: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
