"""The community's name and logo."""

from __future__ import annotations

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id


class Community(Base):
    """One row, or none while neither is set. `logo_hash` is of the WebP in `logo`, and part of its URL."""

    __tablename__ = "community"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)  # always 1
    name: Mapped[str] = mapped_column(String(120), default="", server_default="")
    logo_hash: Mapped[str] = mapped_column(String(32), default="", server_default="")
    logo: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
