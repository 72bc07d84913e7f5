"""The audit log: one row per action, never changed or deleted (see triggers.py)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime

BY_KEY = text("key_id IS NOT NULL")


class Origin(StrEnum):
    CONSOLE = "console"
    COMMAND_LINE = "command line"
    WORKER = "worker"
    API = "api"


class AuditEvent(Base):
    """Who did what, when, from where, to what. Never names members, because they can be erased and this can't."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_at", "at", "id"),
        # Each filter finds its newest rows at the end of an index.
        Index("ix_audit_events_verb", "verb", "at", "id"),
        Index("ix_audit_events_staff_id", "staff_id", "at", "id"),
        Index(
            "ix_audit_events_key_id",
            "key_id",
            "at",
            "id",
            postgresql_where=BY_KEY,
            sqlite_where=BY_KEY,
        ),
        Index("ix_audit_events_origin", "origin", "at", "id"),
        Index("ix_audit_events_address", "address", "at", "id"),
        Index("ix_audit_events_subject", "subject_kind", "subject_id", "at", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(330))
    staff_id: Mapped[int | None] = mapped_column(Id)
    key_id: Mapped[int | None] = mapped_column(Id)  # the API key that acted
    # A network address; for a command, the OS user; "" if Laurel itself acted.
    address: Mapped[str] = mapped_column(String(64), default="", server_default="")
    origin: Mapped[Origin] = mapped_column(String(12))
    verb: Mapped[str] = mapped_column(String(40))
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int | None] = mapped_column(Id)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    @property
    def actor_id(self) -> str:
        if self.key_id is not None:
            return f"key {self.key_id}"
        return "" if self.staff_id is None else f"staff {self.staff_id}"
