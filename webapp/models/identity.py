"""Identities at an OpenID Connect provider, and the sessions that began with one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime, text_key


class StaffIdentity(Base):
    """A person at a provider, linked to one account. `subject` is the provider's ID, which never changes."""

    __tablename__ = "staff_identities"
    __table_args__ = (
        Index("uq_staff_identities_issuer_subject", "issuer", "subject", unique=True),
        Index("uq_staff_identities_staff_id_issuer", "staff_id", "issuer", unique=True),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    issuer: Mapped[str] = mapped_column(text_key(255))
    subject: Mapped[str] = mapped_column(text_key(255))
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    signed_in_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ProviderOutage(Base):
    """The provider failed when someone tried to sign in; the row is deleted at the next success."""

    __tablename__ = "provider_outages"

    issuer: Mapped[str] = mapped_column(text_key(255), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    problem: Mapped[str] = mapped_column(String(40))  # code of a message


class SsoSession(Base):
    """What the provider said about a session. The row is deleted with the session."""

    __tablename__ = "sso_sessions"
    __table_args__ = (
        Index("ix_sso_sessions_identity_id", "identity_id"),
        Index("ix_sso_sessions_sid", "sid"),
    )

    session_id: Mapped[int] = mapped_column(
        ForeignKey("staff_sessions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    identity_id: Mapped[int] = mapped_column(ForeignKey("staff_identities.id", ondelete="CASCADE"))
    sid: Mapped[str] = mapped_column(text_key(255))  # the provider's ID of its session, or ""
    id_token: Mapped[str] = mapped_column(Text)  # encrypted (infrastructure/encryption.py)
    refresh_token: Mapped[str | None] = mapped_column(Text)  # encrypted
    check_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when the tokens expire
