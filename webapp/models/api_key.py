"""API keys of other systems, and the responses to their idempotent requests."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime, text_key


class ApiKey(Base):
    """A key of another system: only its SHA-256 and a hint by which people recognize it.

    Revoked but never deleted, because the audit log names it.
    """

    __tablename__ = "api_keys"
    __table_args__ = (Index("uq_api_keys_key_hash", "key_hash", unique=True),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str] = mapped_column(text_key(360))
    key_hash: Mapped[str] = mapped_column(String(64))
    hint: Mapped[str] = mapped_column(String(20))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def title(self) -> str:
        return self.title_of(self.name)

    @staticmethod
    def title_of(name: str) -> str:
        return f'API key "{name}"'

    @property
    def last_day(self) -> date | None:
        """The last day the key works, in UTC, if it expires at the end of a day; it may also expire at another time."""
        if self.expires_at is None or self.expires_at.time() != time():
            return None
        return self.expires_at.date() - timedelta(days=1)

    def expired(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at


class IdempotentRequest(Base):
    """The response to a POST with an Idempotency-Key, written with its effect; no body after redaction."""

    __tablename__ = "idempotent_requests"
    __table_args__ = (Index("ix_idempotent_requests_created_at", "created_at"),)

    key_id: Mapped[int] = mapped_column(
        ForeignKey("api_keys.id"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(default=0)
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
