"""The second factor of the staff: an authenticator app's secret, recovery codes, and whose role asks for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime
from webapp.models.staff import Role


class PendingFactor(Base):
    """A secret that waits for its first code. It belongs to one session, and goes when that session ends."""

    __tablename__ = "pending_factors"

    session_id: Mapped[int] = mapped_column(
        ForeignKey("staff_sessions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    secret: Mapped[str] = mapped_column(
        String(255)
    )  # sealed: see webapp/infrastructure/encryption.py
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SecondFactor(Base):
    """Somebody's authenticator app, on since `confirmed_at`, when its first code was right."""

    __tablename__ = "second_factors"

    staff_id: Mapped[int] = mapped_column(
        ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    secret: Mapped[str] = mapped_column(
        String(255)
    )  # sealed: see webapp/infrastructure/encryption.py
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # The 30 seconds whose code was used last, counted from 1970: neither it nor an earlier one is taken again.
    last_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class RecoveryCode(Base):
    """A code to sign in with once where the app is lost; only its SHA-256. The row goes when it is used."""

    __tablename__ = "recovery_codes"
    __table_args__ = (
        Index("uq_recovery_codes_staff_id_code_hash", "staff_id", "code_hash", unique=True),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    code_hash: Mapped[str] = mapped_column(String(64))


class TwoFactorRequiredRole(Base):
    """A role that asks for a second factor of everybody who has it, at sign-ins `since` then."""

    __tablename__ = "two_factor_required_roles"

    role: Mapped[Role] = mapped_column(String(12), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
