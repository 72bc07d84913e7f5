"""A file of members chosen on the page, and the progress of its import."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime
from webapp.messages import Message, join
from webapp.models.lease import CountedLease


class ImportStatus(StrEnum):
    """Stages of an import: choosing columns or reading a community's members, dry run running or done, import running
    or ended.
    """

    CHOSEN = "chosen"
    FETCHING = "fetching"
    TRYING = "trying"
    TRIED = "tried"
    RUNNING = "running"
    DONE = "done"
    BROKEN = "broken"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    ImportStatus.CHOSEN: "Match columns",
    ImportStatus.FETCHING: "Fetching members",
    ImportStatus.TRYING: "Previewing",
    ImportStatus.TRIED: "Ready to import",
    ImportStatus.RUNNING: "In Progress",
    ImportStatus.DONE: "Imported",
    ImportStatus.BROKEN: "Stopped",
}

WORKING = (ImportStatus.TRYING, ImportStatus.RUNNING)
ACTIVE = (ImportStatus.FETCHING, *WORKING)


class RowKind(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    BAD = "bad"
    WARNED = "warned"  # imported with a warning
    LATER = "later"  # postponed until after the file's last row


class MemberImport(CountedLease, Base):
    """An import. `content` is the file until the import ends; `columns` map the cells of a row to fields.

    The counts are rows: of the dry run until the import starts, then of the import. `line` is the last processed line;
    counts and members are written in one transaction. A worker leases the row.

    Without a file, it pulls the members of the community `connection_id`: `cursor` is the next page there, `departing`
    is how many accounts are gone there, `problem` is why it couldn't be read, as a message; `unattended` pulls go on
    without being reviewed.
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
    # Without a foreign key: SQLite would have to copy the table to add one.
    connection_id: Mapped[int | None] = mapped_column(Id)
    cursor: Mapped[str] = mapped_column(Text, default="", server_default="")
    unattended: Mapped[bool] = mapped_column(default=False, server_default=false())
    departing: Mapped[int] = mapped_column(default=0, server_default="0")
    expected: Mapped[int | None] = mapped_column()  # members there, if the community says so
    problem: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")

    rows: Mapped[int] = mapped_column(default=0, server_default="0")
    line: Mapped[int] = mapped_column(default=0, server_default="0")
    created: Mapped[int] = mapped_column(default=0, server_default="0")
    changed: Mapped[int] = mapped_column(default=0, server_default="0")
    unchanged: Mapped[int] = mapped_column(default=0, server_default="0")
    bad: Mapped[int] = mapped_column(default=0, server_default="0")
    warned: Mapped[int] = mapped_column(default=0, server_default="0")  # among the imported rows
    # Number of rows imported without a field, such as the email.
    without: Mapped[dict[str, int]] = mapped_column(JSON, default=dict, server_default="{}")

    @property
    def status_label(self) -> str:
        return ImportStatus(self.status).label

    @property
    def only_links(self) -> bool:
        """True if it links accounts with members, and changes no member."""
        return self.connection_id is not None and not self.columns

    @property
    def why_stopped(self) -> str:
        """Why the community's members couldn't be read."""
        return str(Message.from_json(self.problem)) if self.problem else ""

    @property
    def working(self) -> bool:
        """True if a worker is processing it or is about to."""
        return self.status in ACTIVE

    @property
    def processed(self) -> int:
        return self.created + self.changed + self.unchanged + self.bad

    @property
    def percent(self) -> int:
        """Progress in the file, 0 to 100; 100 only when everything is processed."""
        if self.status == ImportStatus.FETCHING:
            return min(99, 100 * self.rows // self.expected) if self.expected else 0
        return min(99, 100 * self.processed // self.rows) if self.working and self.rows else 100


class MemberImportRow(Base):
    """A stored row of an import: every error, and the first created, changed and warned ones.

    `cells` are the original texts, or the new values of created and changed rows; `before` is a changed row's old
    values.
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
        """Return the error or warning of the row."""
        return join(map(Message.from_json, self.messages))
