"""Open Badges: the issuer, its signing keys, signed credentials, and what members share."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime, text_key


class Issuer(Base):
    """One row once Open Badges are turned on. All links and list positions are derived from `link_secret`."""

    __tablename__ = "issuers"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)  # always 1
    url: Mapped[str] = mapped_column(String(2000), default="", server_default="")
    email: Mapped[str] = mapped_column(String(320), default="", server_default="")
    link_secret: Mapped[str] = mapped_column(Text)  # encrypted (infrastructure/encryption.py)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IssuerKey(Base):
    """An Ed25519 key; the newest is in use. Keys are never deleted: credentials that they signed stay verifiable."""

    __tablename__ = "issuer_keys"
    __table_args__ = (NO_ID_REUSE,)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    public: Mapped[str] = mapped_column(String(100))  # Multikey
    private: Mapped[str] = mapped_column(Text)  # PEM, encrypted
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    replaced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Credential(Base):
    """The signed credential of an award: stored when first opened, and never changed."""

    __tablename__ = "credentials"

    award_id: Mapped[int] = mapped_column(
        Id, ForeignKey("awards.id"), primary_key=True, autoincrement=False
    )
    key_id: Mapped[int] = mapped_column(ForeignKey("issuer_keys.id"))
    document: Mapped[str] = mapped_column(Text)
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ShownAs(StrEnum):
    """How a member is named on the public page of a badge."""

    NAME = "name"
    USERNAME = "username"
    ANONYMOUS = "anonymous"


class SharedAward(Base):
    """An award that its member made public; `token` is part of the page's URL, and new each time."""

    __tablename__ = "shared_awards"
    __table_args__ = (Index("uq_shared_awards_token", "token", unique=True),)

    award_id: Mapped[int] = mapped_column(
        Id, ForeignKey("awards.id"), primary_key=True, autoincrement=False
    )
    token: Mapped[str] = mapped_column(text_key(40))
    shown_as: Mapped[ShownAs] = mapped_column(String(12))
    shared_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MemberPage(Base):
    """A member whose link was replaced; `version` counts how often."""

    __tablename__ = "member_pages"

    member_id: Mapped[int] = mapped_column(
        Id, ForeignKey("members.id"), primary_key=True, autoincrement=False
    )
    version: Mapped[int] = mapped_column()
