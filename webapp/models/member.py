"""Members of the community."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime, text_key
from webapp.messages import Message


class MemberStatus(StrEnum):
    """Only active members receive badges. Erased ones keep only what totals need: see `erasure`."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"
    ERASED = "erased"

    @property
    def label(self) -> str:
        return self.value.capitalize()


ASSIGNABLE_STATUSES = (MemberStatus.ACTIVE, MemberStatus.SUSPENDED, MemberStatus.LEFT)
"""Statuses that can be assigned and filtered by."""

# Few members have these statuses; the others need no index.
NON_ACTIVE = text("status <> 'active'")


UNABLE = {
    MemberStatus.LEFT: Message("members.unable_left"),
    MemberStatus.SUSPENDED: Message("members.unable_suspended"),
}
"""Why members who aren't active can't receive badges."""


class Member(Base):
    """A member. `external_id` is the community's own ID; the keys are used to match usernames and emails.

    `activity` is the sum of their activities, maintained by the counters. Code that writes a name must also write its
    words to `MemberWord` (`upsert`, `erasure`).
    """

    __tablename__ = "members"
    __table_args__ = (
        Index("ix_members_joined_at", "joined_at", "id"),
        Index("ix_members_activity", "activity", "id"),
        Index(
            "ix_members_apart", "status", "id", postgresql_where=NON_ACTIVE, sqlite_where=NON_ACTIVE
        ),
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
    activity: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def erased(self) -> bool:
        return self.status == MemberStatus.ERASED

    @property
    def cannot_receive(self) -> Message | None:
        """Return why they can't receive badges now, or None."""
        return UNABLE.get(MemberStatus(self.status))

    @property
    def shown_id(self) -> str:
        """The community's ID; "" for an erased member."""
        return "" if self.erased else self.external_id

    @property
    def display_name(self) -> str:
        """The name, or the username if there is none."""
        return self.name or self.username


class MemberWord(Base):
    """A normalized word of a name (`normalization.name_words`): the directory finds members by its prefix.

    Without a foreign key: members are never deleted, and checking a million names' words would be slow.
    """

    __tablename__ = "member_words"
    __table_args__ = (
        Index("ix_member_words_member_id", "member_id", "word"),
        {"sqlite_with_rowid": False},
    )

    word: Mapped[str] = mapped_column(text_key(60), primary_key=True)
    member_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
