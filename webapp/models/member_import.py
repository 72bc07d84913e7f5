"""A file of members that was chosen on the page, and how far its import has come."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime
from webapp.messages import Message, join
from webapp.models.lease import CountedLease


class ImportStatus(StrEnum):
    """Where an import stands: its columns are to be said, it is tried, it was tried, it is carried out, it ended."""

    CHOSEN = "chosen"
    TRYING = "trying"
    TRIED = "tried"
    RUNNING = "running"
    DONE = "done"
    BROKEN = "broken"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    ImportStatus.CHOSEN: "Columns to check",
    ImportStatus.TRYING: "Dry run",
    ImportStatus.TRIED: "Ready to import",
    ImportStatus.RUNNING: "In Progress",
    ImportStatus.DONE: "Imported",
    ImportStatus.BROKEN: "Stopped",
}

WORKING = (ImportStatus.TRYING, ImportStatus.RUNNING)


class RowKind(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    BAD = "bad"
    WARNED = "warned"  # taken, with something to look at
    LATER = "later"  # to be dealt with after the last row of the file


class MemberImport(CountedLease, Base):
    """An import: `content` is the file until it is carried out, `columns` say which cell of a row is what.

    The counts are rows: of the dry run while it is tried and until it begins, then of what was done. `line` is the last
    line of the file that was dealt with; counts and members are written in one transaction. A worker holds it by
    a lease.
    """

    __tablename__ = "member_imports"
    __table_args__ = (
        Index("ix_member_imports_status", "status", "id"),
        Index("ix_member_imports_created_at", "created_at"),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    filename: Mapped[str] = mapped_column(String(255), default="", server_default="")
    sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    encoding: Mapped[str] = mapped_column(String(20), default="", server_default="")
    header: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    columns: Mapped[dict[str, int]] = mapped_column(JSON, default=dict, server_default="{}")
    status: Mapped[ImportStatus] = mapped_column(String(12), default=ImportStatus.CHOSEN)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    run_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    run_address: Mapped[str] = mapped_column(String(64), default="", server_default="")
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    rows: Mapped[int] = mapped_column(default=0, server_default="0")
    line: Mapped[int] = mapped_column(default=0, server_default="0")
    created: Mapped[int] = mapped_column(default=0, server_default="0")
    changed: Mapped[int] = mapped_column(default=0, server_default="0")
    unchanged: Mapped[int] = mapped_column(default=0, server_default="0")
    bad: Mapped[int] = mapped_column(default=0, server_default="0")
    warned: Mapped[int] = mapped_column(default=0, server_default="0")  # among those taken
    # How many rows were taken without a field, such as the email.
    without: Mapped[dict[str, int]] = mapped_column(JSON, default=dict, server_default="{}")

    @property
    def status_label(self) -> str:
        return ImportStatus(self.status).label

    @property
    def working(self) -> bool:
        """Whether a worker is to go on with it, or does."""
        return self.status in WORKING

    @property
    def processed(self) -> int:
        return self.created + self.changed + self.unchanged + self.bad

    @property
    def percent(self) -> int:
        """How much of the file is dealt with, 0 to 100; 100 only when all of it is."""
        return min(99, 100 * self.processed // self.rows) if self.working and self.rows else 100


class MemberImportRow(Base):
    """A row of an import that is worth showing: every bad one, the first of those created, changed and warned of.

    `cells` are the texts of a row as they stand in the file; of those created and changed what the member would be
    called, and `before` what a changed one is called now.
    """

    __tablename__ = "member_import_rows"
    __table_args__ = (
        Index("ix_member_import_rows_kind", "import_id", "kind", "line"),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("member_imports.id", ondelete="CASCADE"))
    line: Mapped[int]
    kind: Mapped[RowKind] = mapped_column(String(8))
    cells: Mapped[list[Any]] = mapped_column(JSON, default=list)
    before: Mapped[list[Any]] = mapped_column(JSON, default=list)
    messages: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")

    @property
    def message(self) -> str:
        """What is wrong with the row, or what to look at."""
        return join(map(Message.from_json, self.messages))
