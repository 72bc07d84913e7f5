"""Workers, delivery workers and schedulers, by their heartbeats."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database import Base, Id, UtcDateTime


class ProcessKind(StrEnum):
    WORKER = "worker"
    DELIVERIES = "deliveries"
    CLOCK = "clock"

    @property
    def label(self) -> str:
        return {self.DELIVERIES: "delivery worker", self.CLOCK: "scheduler"}.get(self, str(self))


class Process(Base):
    """A process. `seen_at` is updated every few seconds; the row is deleted at an orderly exit."""

    __tablename__ = "processes"
    __table_args__ = (
        Index("uq_processes_key", "key", unique=True),
        Index("ix_processes_seen_at", "seen_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(36))  # unique, created when the process starts
    kind: Mapped[ProcessKind] = mapped_column(String(12))
    host: Mapped[str] = mapped_column(String(120))
    pid: Mapped[int]
    version: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
