"""A person of the community."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime, text_key


class MemberStatus(StrEnum):
    """Only active members receive badges."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


class Member(Base):
    """A member: `external_id` is the community's own ID; the keys are what usernames and emails are matched by."""

    __tablename__ = "members"
    __table_args__ = (
        Index("uq_members_external_id", "external_id", unique=True),
        Index("uq_members_username_key", "username_key", unique=True),
        Index("uq_members_email_key", "email_key", unique=True),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    external_id: Mapped[str] = mapped_column(text_key(190))
    username: Mapped[str] = mapped_column(String(190))
    username_key: Mapped[str] = mapped_column(text_key(570))
    email: Mapped[str | None] = mapped_column(String(320))
    email_key: Mapped[str | None] = mapped_column(text_key(960))
    name: Mapped[str] = mapped_column(String(190), default="", server_default="")
    status: Mapped[MemberStatus] = mapped_column(
        String(12), default=MemberStatus.ACTIVE, server_default=MemberStatus.ACTIVE
    )
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def display_name(self) -> str:
        """The name where there is one, else the username."""
        return self.name or self.username
