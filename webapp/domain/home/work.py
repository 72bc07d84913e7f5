"""Work that needs attention, and work that is running (E-1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import joinedload, with_expression
from sqlalchemy.sql.base import ExecutableOption

from webapp.database import db
from webapp.domain.batches import ranges
from webapp.domain.operations.status import stalls
from webapp.domain.permissions import Permission, may
from webapp.models import (
    Batch,
    BatchStatus,
    Endpoint,
    ImportStatus,
    MemberImport,
    Quest,
    Staff,
)
from webapp.models.batch import RUNNING
from webapp.models.member_import import WORKING

T = TypeVar("T", Batch, Endpoint, MemberImport)

SHOWN = 5  # of each kind
UNFINISHED = (ImportStatus.CHOSEN, ImportStatus.TRIED, ImportStatus.BROKEN)


@dataclass(frozen=True)
class Newest(Generic[T]):
    """The newest rows of a kind, and how many there are."""

    rows: list[T] = field(default_factory=list)
    total: int = 0


@dataclass(frozen=True)
class Work:
    """What runs, and what waits for someone with this role; empty for a role that can't act on it."""

    batches: Newest[Batch]
    imports: Newest[MemberImport]
    stalled: Newest[Batch]
    failed: Newest[Batch]
    waiting: Newest[MemberImport]
    webhooks: Newest[Endpoint]
    drafts: Newest[Batch]

    @property
    def needs_attention(self) -> bool:
        kinds = (self.stalled, self.failed, self.waiting, self.webhooks, self.drafts)
        return any(kind.total for kind in kinds)

    @property
    def running(self) -> int:
        return self.batches.total + self.imports.total


def load(staff: Staff) -> Work:
    """Return the work of all kinds; at most one query for each, however much there is."""
    running = Batch.status.in_(RUNNING)
    partial = Batch.status == BatchStatus.PARTIALLY_PUBLISHED
    draft = Batch.status == BatchStatus.DRAFT
    work: dict[str, Newest[Any]] = dict.fromkeys(Work.__annotations__, Newest())
    work["batches"] = _batches(running)
    if may(staff.role, Permission.BATCH_UNLOCK):
        work["stalled"] = _batches(running, stalls())
        work["failed"] = _batches(partial, Batch.undone_at.is_(None))
        work["drafts"] = _batches(draft, Batch.created_by == staff.id)
    if may(staff.role, Permission.IMPORT_EXPORT_MEMBERS):
        work["imports"] = _newest(MemberImport, MemberImport.status.in_(WORKING))
        work["waiting"] = _newest(MemberImport, MemberImport.status.in_(UNFINISHED))
    if may(staff.role, Permission.MANAGE_INTEGRATIONS):
        failing = or_(Endpoint.failures > 0, Endpoint.disabled_reason != "")
        work["webhooks"] = _newest(Endpoint, failing)
    return Work(**work)


def _batches(*conditions: ColumnElement[bool]) -> Newest[Batch]:
    options: list[ExecutableOption] = [
        joinedload(Batch.quest).joinedload(Quest.badge),
        with_expression(Batch.last_error, ranges.last_error()),
    ]
    return _newest(Batch, *conditions, options=options)


def _newest(
    model: type[T], *conditions: ColumnElement[bool], options: list[ExecutableOption] | None = None
) -> Newest[T]:
    counted = select(func.count()).select_from(model).where(*conditions).correlate(None)
    query = select(model, counted.scalar_subquery()).where(*conditions).options(*options or [])
    rows = db.session.execute(query.order_by(model.id.desc()).limit(SHOWN)).all()
    return Newest([row[0] for row in rows], rows[0][1] if rows else 0)
