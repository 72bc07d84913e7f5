"""A file that was chosen for a batch, and what its preview showed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime

PENDING = text("applied_at IS NULL")


class Upload(Base):
    """A pending upload holds the file and its preview; an applied one keeps only the file's fingerprint.

    Without a preview a person still has to say its encoding or its columns. `choices` are members chosen for rows: line
    to member's id. `header_choice` is what a person chose for its columns: `columns`, in which cell each field is, and
    `line`, on which line the header is, 0 if there is none; {} if nothing was chosen.
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
