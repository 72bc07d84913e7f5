"""System status: processes, pending work, and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import with_expression

from webapp.database import db, from_now
from webapp.database.version import newest_revision, revision
from webapp.domain.batches import ranges
from webapp.domain.connections import settings as connections
from webapp.domain.operations import heartbeats
from webapp.domain.operations.heartbeats import ProcessStatus
from webapp.domain.webhooks.deliveries import WAITING
from webapp.models import (
    Batch,
    BatchStatus,
    Connection,
    Delivery,
    DeliveryState,
    ProcessKind,
    Quest,
)
from webapp.models.batch import RUNNING

PATIENCE = 60.0  # seconds that work may wait before it is stalled
FRUITLESS = 2  # claims without progress
SHOWN = 50


@dataclass(frozen=True)
class PendingBatch:
    batch: Batch
    held: bool
    stalled: bool


@dataclass(frozen=True)
class Figures:
    """Metrics: batches, their undecided entries, age of the oldest pending work, pending deliveries, active awards."""

    batches: dict[str, int]
    undecided: int
    stalled: int
    waiting_since: datetime | None
    deliveries: int
    awards: int


@dataclass(frozen=True)
class SystemStatus:
    processes: list[ProcessStatus]
    work: list[PendingBatch]
    failing: list[Connection]
    figures: Figures
    revision: str

    @property
    def workers(self) -> int:
        return self._alive(ProcessKind.WORKER)

    @property
    def delivery_workers(self) -> int:
        return self._alive(ProcessKind.DELIVERIES)

    @property
    def clocks(self) -> int:
        return self._alive(ProcessKind.CLOCK)

    def _alive(self, kind: ProcessKind) -> int:
        return sum(process.kind == kind and not process.silent for process in self.processes)


def ready() -> bool:
    """True if the database responds and has this version's schema."""
    try:
        return revision() == newest_revision()
    except SQLAlchemyError:
        return False


def state() -> SystemStatus:
    """Return the current system status; seven queries."""
    return SystemStatus(
        heartbeats.list_processes(), _work(), connections.failing(), figures(), revision()
    )


def figures() -> Figures:
    """Return the metrics; three queries, none of which grows with the number of awards."""
    running = Batch.status.in_(RUNNING)
    rows = db.session.execute(
        select(
            Batch.status,
            func.count(),
            func.sum(case((running, Batch.run_total - Batch.run_processed), else_=0)),
            func.sum(case((running & stalls(), 1), else_=0)),
            func.min(case((running & ~ranges.is_held(), Batch.updated_at))),
        ).group_by(Batch.status)
    ).all()
    counted = {row[0]: row[1] for row in rows}
    return Figures(
        batches={status.label: counted.get(status, 0) for status in BatchStatus},
        undecided=sum(row[2] for row in rows),
        stalled=sum(row[3] for row in rows),
        waiting_since=min((row[4] for row in rows if row[4]), default=None),
        deliveries=db.session.scalar(select(func.count()).where(WAITING)) or 0,
        awards=db.session.scalar(select(func.sum(Quest.holders))) or 0,
    )


@dataclass(frozen=True)
class DeliveryFigures:
    """Metrics of webhooks: the age of the oldest pending event, and how many were given up."""

    waiting_seconds: float
    failed: int


def delivery_figures(at: datetime) -> DeliveryFigures:
    """Return the metrics of webhooks; two queries."""
    oldest = db.session.scalar(select(func.min(Delivery.at)).where(WAITING))
    failed = select(func.count()).where(Delivery.state == DeliveryState.FAILED)
    return DeliveryFigures(
        max(0.0, (at - oldest).total_seconds()) if oldest else 0.0,
        db.session.scalar(failed) or 0,
    )


def _work() -> list[PendingBatch]:
    stalled = stalls()
    query = (
        select(Batch, ranges.is_held(), stalled)
        .options(with_expression(Batch.last_error, ranges.last_error()))
        .where(Batch.status.in_(RUNNING))
        .order_by(stalled.desc(), Batch.run_at, Batch.id)
        .limit(SHOWN)
    )
    return [
        PendingBatch(batch, bool(held), bool(stuck))
        for batch, held, stuck in db.session.execute(query)
    ]


def stalls() -> ColumnElement[bool]:
    """True for work without a lease for too long, or claimed repeatedly without progress."""
    idle = ~ranges.is_held() & (Batch.updated_at < from_now(-PATIENCE))
    return idle | ranges.has_failed(FRUITLESS)
