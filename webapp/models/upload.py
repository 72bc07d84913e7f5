"""A file uploaded for a batch, and its preview."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime

PENDING = text("applied_at IS NULL")


class Upload(Base):
    """A pending upload holds the file and its preview; an applied one keeps only the file's fingerprint.

    Without a preview, a person still has to choose the encoding or columns. `choices` maps lines to the IDs of chosen
    members. `header_choice` is {} or the chosen `columns`, from field to cell, and the header's `line` (0 for none).
    """

    __tablename__ = "uploads"
    __table_args__ = (
        Index(
            "uq_uploads_pending",
            "batch_id",
            unique=True,
            postgresql_where=PENDING,
            sqlite_where=PENDING,
        ),
        Index("ix_uploads_sha256", "sha256"),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"))
    filename: Mapped[str] = mapped_column(String(255), default="")
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    encoding: Mapped[str] = mapped_column(String(20), default="", server_default="")
    choices: Mapped[dict[str, int]] = mapped_column(JSON, default=dict, server_default="{}")
    header_choice: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    preview: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
