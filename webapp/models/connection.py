"""Connections to communities: whose members are pulled from there, and where awards are shown."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.adapters.contract import AdapterKind
from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime, text_key
from webapp.messages import Message
from webapp.models.badge import Quest
from webapp.models.lease import Lease
from webapp.models.member import Member

REMOTE_ID = 190  # characters of an ID there


class MatchBy(StrEnum):
    """How an account there is matched with a member here when it is first seen; from then on, by its ID there."""

    ID = "id"
    EMAIL = "email"
    USERNAME = "username"

    @property
    def label(self) -> str:
        return _MATCHES[self]


_MATCHES = {
    MatchBy.ID: "ID",
    MatchBy.EMAIL: "Registered email",
    MatchBy.USERNAME: "Username",
}


class Connection(Lease, Base):
    """A community. `secret` and `account_key`, of `ErasedAccount`, are encrypted; `name` is what it calls itself.

    `problem` is why the last call failed, as a message; `failures` counts consecutive ones. Nothing is sent until
    `backoff_until`. A worker leases the row while it sends awards; `pace` is how many it last sent per minute. `badges`
    are the community's, as last fetched: pairs of ID and name.
    """

    __tablename__ = "connections"
    __table_args__ = (NO_ID_REUSE,)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[AdapterKind] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(190), default="", server_default="")
    address: Mapped[str] = mapped_column(String(2000))
    account: Mapped[str] = mapped_column(String(255), default="", server_default="")
    secret: Mapped[str] = mapped_column(Text)
    account_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    match_by: Mapped[MatchBy] = mapped_column(String(12), default=MatchBy.ID)
    imports_members: Mapped[bool] = mapped_column(default=True)
    shows_awards: Mapped[bool] = mapped_column(default=True, server_default=true())
    rate: Mapped[int] = mapped_column()  # requests per minute
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[str] = mapped_column(String(60), default="", server_default="")  # there
    pulled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # last complete pull
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    backoff_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")
    pace: Mapped[int] = mapped_column(default=0, server_default="0")
    badges: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")
    compare_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when it was last requested

    @property
    def title(self) -> str:
        return self.name or self.address

    @property
    def error(self) -> str:
        return str(Message.from_json(self.problem)) if self.problem else ""


class MemberAccount(Base):
    """A member's account in a community, found by its ID there, which never changes.

    `missing_at` is when it was first not among the community's members; `marked` says that the awards which the member
    had when it was linked are to be shown there.
    """

    __tablename__ = "member_accounts"
    __table_args__ = (
        Index(
            "uq_member_accounts_connection_id_remote_id", "connection_id", "remote_id", unique=True
        ),
        Index(
            "uq_member_accounts_member_id_connection_id", "member_id", "connection_id", unique=True
        ),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    remote_id: Mapped[str] = mapped_column(text_key(REMOTE_ID))
    username: Mapped[str] = mapped_column(String(190), default="", server_default="")
    missing_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    marked: Mapped[bool] = mapped_column(default=False, server_default=false())


class ErasedAccount(Base):
    """An erased member's account in a community, which pulls pass over: a hash of its ID with the connection's key."""

    __tablename__ = "erased_accounts"

    connection_id: Mapped[int] = mapped_column(
        ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    hash: Mapped[str] = mapped_column(text_key(64), primary_key=True)


class PulledMember(Base):
    """A member of a community, as a pull has read it; deleted when the pull ends.

    `external_id` is the ID of the member here, maybe a new one, or "". `match_key` is the email or
    username by which an account that isn't linked yet may be matched. `status` is what the pull changes it to: `left`
    for an account that is gone there, which has no other fields, and `active` for one that is back.
    """

    __tablename__ = "pulled_members"
    __table_args__ = (
        Index("uq_pulled_members_import_id_remote_id", "import_id", "remote_id", unique=True),
        Index("ix_pulled_members_external_id", "import_id", "external_id"),
        Index("ix_pulled_members_match_key", "import_id", "match_key", "line"),
    )

    import_id: Mapped[int] = mapped_column(
        ForeignKey("member_imports.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    remote_id: Mapped[str] = mapped_column(text_key(REMOTE_ID))
    external_id: Mapped[str] = mapped_column(text_key(REMOTE_ID))
    match_key: Mapped[str] = mapped_column(text_key(960), default="", server_default="")
    username: Mapped[str] = mapped_column(Text, default="", server_default="")
    email: Mapped[str] = mapped_column(Text, default="", server_default="")
    name: Mapped[str] = mapped_column(Text, default="", server_default="")
    status: Mapped[str] = mapped_column(String(12), default="", server_default="")


DUE = text("due_at IS NOT NULL")


class BadgeMapping(Base):
    """A badge of a community that shows a quest's awards.

    `mark_after` is the last member whose award has been marked to be shown since the mapping was made; None when all
    are. `gone_at` is when the community said that it doesn't know the badge.
    """

    __tablename__ = "badge_mappings"
    __table_args__ = (
        Index("uq_badge_mappings_quest_id_connection_id", "quest_id", "connection_id", unique=True),
        Index(
            "uq_badge_mappings_connection_id_remote_id", "connection_id", "remote_id", unique=True
        ),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id", ondelete="CASCADE"))
    quest_id: Mapped[int] = mapped_column(ForeignKey("quests.id"))
    remote_id: Mapped[str] = mapped_column(text_key(REMOTE_ID))
    remote_name: Mapped[str] = mapped_column(String(190), default="", server_default="")
    mark_after: Mapped[int | None] = mapped_column(Id, default=0)
    compared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    quest: Mapped[Quest] = relationship()


class BadgeSync(Base):
    """A member's badge in a community that may differ from here; deleted once it is the same.

    It says nothing about what is to be done: whether the member holds the quest is read when it is sent. `version`
    counts the changes since, so that one during sending isn't lost. Without `due_at` the community has refused it, for
    the reason `problem`.
    """

    __tablename__ = "badge_syncs"
    __table_args__ = (
        Index("uq_badge_syncs_key", "connection_id", "quest_id", "member_id", unique=True),
        Index(
            "ix_badge_syncs_due",
            "connection_id",
            "due_at",
            "id",
            postgresql_where=DUE,
            sqlite_where=DUE,
        ),
        Index("ix_badge_syncs_connection_id_id", "connection_id", "id"),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id", ondelete="CASCADE"))
    quest_id: Mapped[int] = mapped_column(ForeignKey("quests.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")

    member: Mapped[Member] = relationship()
    quest: Mapped[Quest] = relationship()

    @property
    def error(self) -> str:
        return str(Message.from_json(self.problem)) if self.problem else ""


class BadgeDifference(Base):
    """A member whose badge in a community isn't as here, when both sides were last compared."""

    __tablename__ = "badge_differences"
    __table_args__ = (
        Index("uq_badge_differences_key", "connection_id", "quest_id", "member_id", unique=True),
        Index("ix_badge_differences_connection_id_id", "connection_id", "id"),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id", ondelete="CASCADE"))
    quest_id: Mapped[int] = mapped_column(ForeignKey("quests.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    held_there: Mapped[bool] = mapped_column()

    member: Mapped[Member] = relationship()
    quest: Mapped[Quest] = relationship()
