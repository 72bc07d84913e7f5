"""Batches and their entries."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, query_expression, relationship

from webapp.database import NO_ID_REUSE, Base, Id, UtcDateTime, text_key
from webapp.messages import Message, message
from webapp.models.badge import Quest
from webapp.models.lease import CountedLease
from webapp.models.member import Member


class BatchStatus(StrEnum):
    """A draft, and the four statuses of a published batch."""

    DRAFT = "draft"
    UNPUBLISHED = "unpublished"
    IN_PROGRESS = "in_progress"
    PUBLISHED = "published"
    PARTIALLY_PUBLISHED = "partially_published"

    @property
    def label(self) -> str:
        return _BATCH_LABELS[self]


_BATCH_LABELS = {
    BatchStatus.DRAFT: "Draft",
    BatchStatus.UNPUBLISHED: "Unpublished",
    BatchStatus.IN_PROGRESS: "In Progress",
    BatchStatus.PUBLISHED: "Published",
    BatchStatus.PARTIALLY_PUBLISHED: "Partially published",
}

RUNNING = (BatchStatus.UNPUBLISHED, BatchStatus.IN_PROGRESS)


class Outcome(StrEnum):
    AWARDED = "awarded"
    ALREADY_HELD = "already_held"
    LEFT = "left"
    SUSPENDED = "suspended"
    ERASED = "erased"
    ARCHIVED = "archived"
    FAILED = "failed"
    GAVE_UP = "gave_up"
    STOPPED = "stopped"
    REVOKED_BY_UNDO = "revoked_by_undo"
    KEPT = "kept"
    NOT_HELD = "not_held"


# Outcomes in which the member got or had the badge, before and after an undo: all shown as `Published`.
UNLOCKED = (Outcome.AWARDED, Outcome.ALREADY_HELD)
UNDONE = (Outcome.REVOKED_BY_UNDO, Outcome.KEPT, Outcome.NOT_HELD)
SUCCESSES = (*UNLOCKED, *UNDONE)


class Work(StrEnum):
    UNLOCK = "unlock"
    UNDO = "undo"


class Batch(Base):
    """A named list of members to award one quest to.

    Each publish is a run over the undecided entries up to `run_up_to_entry_id`; status and counts are written in the
    same transaction as the entries. Workers lease the run's ranges.
    """

    __tablename__ = "batches"
    __table_args__ = (
        Index("ix_batches_created_at", "created_at", "id"),
        Index("ix_batches_name_key", "name_key", "id"),
        Index("ix_batches_status", "status"),
        Index("ix_batches_updated_at", "updated_at", "id"),
        Index("ix_batches_entry_count", "entry_count", "id"),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), default="", server_default="")
    name_key: Mapped[str] = mapped_column(text_key(360), default="", server_default="")
    version: Mapped[int] = mapped_column(default=0, server_default="0")  # of name and badge
    quest_id: Mapped[int | None] = mapped_column(ForeignKey("quests.id"))
    status: Mapped[BatchStatus] = mapped_column(String(20), default=BatchStatus.DRAFT)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Without a foreign key: staff are never deleted, and SQLite would have to copy the table to add one.
    created_by: Mapped[int | None] = mapped_column(Id)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    entry_count: Mapped[int] = mapped_column(default=0, server_default="0")
    published: Mapped[int] = mapped_column(default=0, server_default="0")
    already_held: Mapped[int] = mapped_column(default=0, server_default="0")
    errors: Mapped[int] = mapped_column(default=0, server_default="0")

    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    work: Mapped[Work] = mapped_column(String(12), default=Work.UNLOCK, server_default=Work.UNLOCK)
    run_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    run_key: Mapped[int | None] = mapped_column(Id)  # the API key that started the run
    run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    run_up_to_entry_id: Mapped[int] = mapped_column(Id, default=0, server_default="0")
    run_total: Mapped[int] = mapped_column(default=0, server_default="0")
    run_processed: Mapped[int] = mapped_column(default=0, server_default="0")

    quest: Mapped[Quest | None] = relationship()
    last_error: Mapped[str | None] = (
        query_expression()
    )  # of its ranges; only loaded where it is shown

    @property
    def status_label(self) -> str:
        return BatchStatus(self.status).label

    @property
    def error(self) -> str:
        """The last failure of a running batch: the name of an exception, or a message from its code."""
        return str(Message(self.last_error)) if self.last_error else ""

    @property
    def draft(self) -> bool:
        return self.status == BatchStatus.DRAFT

    @property
    def running(self) -> bool:
        """True if published and not finished."""
        return self.status in RUNNING

    @property
    def status_at_start(self) -> BatchStatus:
        """The status of a run that no worker has claimed yet.

        `Unpublished` means that no member has the badge from it yet, so a retry, a second publish and an undo of a
        batch with awards start as `In Progress`.
        """
        return BatchStatus.IN_PROGRESS if self.published else BatchStatus.UNPUBLISHED

    @property
    def status_at_end(self) -> BatchStatus:
        return BatchStatus.PARTIALLY_PUBLISHED if self.errors else BatchStatus.PUBLISHED

    @property
    def undecided(self) -> int:
        return self.entry_count - self.published - self.errors

    @property
    def takes_members(self) -> bool:
        """True if members can be added: a draft, or a batch that is `Published` and not undone."""
        return self.status in (BatchStatus.DRAFT, BatchStatus.PUBLISHED) and not self.undone_at

    @property
    def publishable(self) -> bool:
        """True if there is something to publish: a draft, or a `Published` batch to which members were added."""
        return self.takes_members and (self.draft or self.undecided > 0)

    @property
    def stoppable(self) -> bool:
        return self.running and self.work == Work.UNLOCK

    @property
    def undo_incomplete(self) -> bool:
        """True if an undo failed repeatedly and ended before its last entry."""
        return bool(self.undone_at and not self.running and self.run_processed < self.run_total)

    @property
    def undoable(self) -> bool:
        """True if it can be undone: finished, with awards, and not already undone completely."""
        finished = not self.draft and not self.running and self.published > 0
        return finished and (not self.undone_at or self.undo_incomplete)

    @property
    def has_retryable_errors(self) -> bool:
        """True if its failed entries can be retried or dismissed: `Partially published`, and not undone."""
        return self.status == BatchStatus.PARTIALLY_PUBLISHED and not self.undone_at

    @property
    def percent(self) -> int:
        """Progress of the run, 0 to 100; 100 only when everything is processed."""
        return 100 * self.run_processed // self.run_total if self.run_total else 100


class BatchRange(CountedLease, Base):
    """Part of a running batch's entries, for one worker at a time. Deleted when they are processed."""

    __tablename__ = "batch_ranges"
    __table_args__ = (Index("ix_batch_ranges_batch_id", "batch_id"), NO_ID_REUSE)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"))
    first_entry_id: Mapped[int] = mapped_column(Id)
    last_entry_id: Mapped[int] = mapped_column(Id)
    # Number of entries to decide one by one.
    single_step_left: Mapped[int] = mapped_column(default=0, server_default="0")


class Entry(Base):
    __tablename__ = "entries"
    __table_args__ = (
        # Not the other way round: PostgreSQL would read a new batch's chunks by it (migration 0033).
        Index("uq_entries_member_id_batch_id", "member_id", "batch_id", unique=True),
        Index("ix_entries_work", "batch_id", "outcome", "attempts", "id"),
        NO_ID_REUSE,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    outcome: Mapped[Outcome | None] = mapped_column(String(20))
    reason_detail: Mapped[str] = mapped_column(Text, default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    member: Mapped[Member] = relationship()

    @property
    def reason(self) -> str:
        """Return the reason for an error or the note of a success. `reason_detail` is a name or a reason's code."""
        if self.outcome in (None, Outcome.AWARDED):
            return ""
        variant = f"_{self.reason_detail}" if self.outcome in UNDONE and self.reason_detail else ""
        return str(message(f"entries.{self.outcome}{variant}", detail=self.reason_detail))

    @property
    def undone(self) -> bool:
        """True if an undo has processed this entry, whether or not it revoked anything."""
        return self.outcome in UNDONE

    def status_in(self, batch: Batch) -> str:
        """Return the status label: decided, being processed in a claimed run, or waiting."""
        if self.outcome is not None:
            return "Published" if self.outcome in SUCCESSES else "Error"
        begun = batch.status == BatchStatus.IN_PROGRESS and batch.work == Work.UNLOCK
        return "In Progress" if begun and self.id <= batch.run_up_to_entry_id else "Unpublished"
