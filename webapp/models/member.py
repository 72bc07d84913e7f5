"""A person of the community."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime, text_key
from webapp.messages import Message


class MemberStatus(StrEnum):
    """Only active members receive badges. Of an erased one nothing is left but what counts: see `erasure`."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"
    ERASED = "erased"

    @property
    def label(self) -> str:
        return self.value.capitalize()


ASSIGNABLE_STATUSES = (MemberStatus.ACTIVE, MemberStatus.SUSPENDED, MemberStatus.LEFT)
"""The statuses of people: what can be given, and filtered by."""

# What few members are; the others need no index to be found.
NON_ACTIVE = text("status <> 'active'")


UNABLE = {
    MemberStatus.LEFT: Message("members.unable_left"),
    MemberStatus.SUSPENDED: Message("members.unable_suspended"),
}
"""Why members who aren't active can't receive badges."""


class Member(Base):
    """A member: `external_id` is the community's own ID; the keys are what usernames and emails are matched by.

    `activity` is how much they did in the community, kept by what counts activities. The words of the name stand in
    `MemberWord`; whoever writes a name writes them too (`upsert`, `erasure`).
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
        """Why they can't receive badges now, or None."""
        return UNABLE.get(MemberStatus(self.status))

    @property
    def shown_id(self) -> str:
        """The community's ID; of an erased member nothing."""
        return "" if self.erased else self.external_id

    @property
    def display_name(self) -> str:
        """The name where there is one, else the username."""
        return self.name or self.username


class MemberWord(Base):
    """A word of a name, normalized (`normalization.name_words`): the directory finds people by its beginning.

    Without a foreign key: members are never deleted, and a million names would be checked three times each.
    """

    __tablename__ = "member_words"
    __table_args__ = (
        Index("ix_member_words_member_id", "member_id", "word"),
        {"sqlite_with_rowid": False},
    )

    word: Mapped[str] = mapped_column(text_key(60), primary_key=True)
    member_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
