"""Staff accounts, their sessions, and failed login attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime, text_key
from webapp.messages import message

SESSION_IDLES = timedelta(hours=1)
SESSION_LASTS = timedelta(hours=12)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Role(StrEnum):
    """What an account may do; see the permissions in `domain/permissions.py`."""

    ADMIN = "admin"
    DEV = "dev"
    MANAGER = "manager"
    SUPPORT = "support"

    @property
    def label(self) -> str:
        return _ROLE_LABELS[self]


class Theme(StrEnum):
    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Density(StrEnum):
    """How high the rows of tables are."""

    COMFORTABLE = "comfortable"
    COMPACT = "compact"


_ROLE_LABELS = {
    Role.ADMIN: "Admin",
    Role.DEV: "Dev",
    Role.MANAGER: "Community manager",
    Role.SUPPORT: "Support",
}


class Staff(Base):
    """A staff account, with one role.

    `security_stamp` is random and changes with the password; a session is valid only with the current one.
    """

    __tablename__ = "staff"
    __table_args__ = (
        Index("uq_staff_email", "email", unique=True),
        Index("uq_staff_security_stamp", "security_stamp", unique=True),
        Index("uq_staff_name_key", "name_key", unique=True),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    email: Mapped[str] = mapped_column(text_key(320))
    name: Mapped[str] = mapped_column(String(120), default="", server_default="")
    # What the name looks like (`domain/staff/confusable_names.py`); must be unique.
    name_key: Mapped[str | None] = mapped_column(String(64))
    role: Mapped[Role] = mapped_column(String(12))
    password: Mapped[str | None] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    security_stamp: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    theme: Mapped[Theme] = mapped_column(String(12), default=Theme.SYSTEM, server_default="system")
    density: Mapped[Density] = mapped_column(
        String(12), default=Density.COMFORTABLE, server_default="comfortable"
    )
    first_steps_hidden: Mapped[bool] = mapped_column(default=False, server_default=false())
    # An admin who can sign in with a password even if others can't (`domain/staff/break_glass.py`).
    break_glass: Mapped[bool] = mapped_column(default=False, server_default=false())

    @property
    def display_name(self) -> str:
        """The name, or the email if there is none."""
        return self.name or self.email

    @property
    def role_label(self) -> str:
        return Role(self.role).label


class StaffSession(Base):
    """One sign-in. The cookie holds a random key, this table its SHA-256; deleting the row invalidates the cookie."""

    __tablename__ = "staff_sessions"
    __table_args__ = (
        Index("uq_staff_sessions_key_hash", "key_hash", unique=True),
        Index("ix_staff_sessions_staff_id", "staff_id"),
        Index("ix_staff_sessions_seen_at", "seen_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    key_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # When the password (and the code, if two-factor authentication is on) or those at the sign-in provider were last
    # entered; `NEVER` if nothing proves that they were.
    confirmed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    browser: Mapped[str] = mapped_column(
        String(60), default="", server_default=""
    )  # such as Firefox/Windows
    address: Mapped[str] = mapped_column(String(64), default="", server_default="")

    @property
    def browser_name(self) -> str:
        """Such as `Firefox on Windows`."""
        browser, _, system = self.browser.partition("/")
        code = "staff.browser" if browser else "staff.unknown_browser"
        return str(message(code, browser=browser, system=system))


class StaffLink(Base):
    """A one-time link to set a password; one per account, the latest.

    The link holds a random key, this table its SHA-256. The row is deleted when the link is used.
    """

    __tablename__ = "staff_links"
    __table_args__ = (
        Index("uq_staff_links_key_hash", "key_hash", unique=True),
        Index("ix_staff_links_created_at", "created_at"),
        Index("ix_staff_links_created_by", "created_by"),
    )

    staff_id: Mapped[int] = mapped_column(
        ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    key_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))


class SetupLink(Base):
    """The one-time link for creating the first admin; at most one. It holds a random key, this table its SHA-256."""

    __tablename__ = "setup_links"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LoginAttempt(Base):
    """A failed attempt, counted in `domain/staff/login_throttle.py`; stored, so that limits hold without Redis."""

    __tablename__ = "login_attempts"
    __table_args__ = (
        Index("ix_login_attempts_account", "account", "at"),
        Index("ix_login_attempts_address", "address", "at"),
        Index("ix_login_attempts_at", "at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    account: Mapped[str] = mapped_column(String(64))  # SHA-256 of kind of attempt and typed email
    # A network, or the ID of a known browser or of a session.
    source: Mapped[str] = mapped_column(String(64), default="", server_default="")
    known: Mapped[bool] = mapped_column(default=False, server_default=false())  # browser or session
    address: Mapped[str] = mapped_column(String(64))  # the caller's network address
    at: Mapped[datetime] = mapped_column(UtcDateTime)
