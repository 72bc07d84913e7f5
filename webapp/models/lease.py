"""Columns of a row that one worker at a time can lease; `webapp.domain.leases` writes them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import UtcDateTime
from webapp.messages import Message


class Lease:
    lease_owner: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def end_lease(self) -> None:
        self.lease_owner = self.lease_until = None


class CountedLease(Lease):
    failed_claims: Mapped[int] = mapped_column(default=0, server_default="0")
    last_error: Mapped[str] = mapped_column(Text, default="", server_default="")

    @property
    def error(self) -> str:
        """The last failure: the name of an exception, or a message from its code."""
        return str(Message(self.last_error)) if self.last_error else ""
