"""Two-factor authentication: secrets of authenticator apps, recovery codes, and the roles that require it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime
from webapp.models.staff import Role


class PendingFactor(Base):
    """A secret without a confirmed code. It belongs to one session and is deleted with it."""

    __tablename__ = "pending_factors"

    session_id: Mapped[int] = mapped_column(
        ForeignKey("staff_sessions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    secret: Mapped[str] = mapped_column(String(255))  # encrypted (infrastructure/encryption.py)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SecondFactor(Base):
    """An authenticator app, active since its first correct code at `confirmed_at`."""

    __tablename__ = "second_factors"

    staff_id: Mapped[int] = mapped_column(
        ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    secret: Mapped[str] = mapped_column(String(255))  # encrypted (infrastructure/encryption.py)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # The 30-second step since 1970 whose code was used last: neither it nor an earlier one is accepted again.
    last_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class RecoveryCode(Base):
    """A one-time code for a lost app, stored as SHA-256. The row is deleted when it is used."""

    __tablename__ = "recovery_codes"
    __table_args__ = (
        Index("uq_recovery_codes_staff_id_code_hash", "staff_id", "code_hash", unique=True),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    code_hash: Mapped[str] = mapped_column(String(64))


class TwoFactorRequiredRole(Base):
    """A role that requires two-factor authentication at sign-ins after `since`."""

    __tablename__ = "two_factor_required_roles"

    role: Mapped[Role] = mapped_column(String(12), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
