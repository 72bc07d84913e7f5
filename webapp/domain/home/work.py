"""Work that needs attention, and work that is running (E-1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Executable, Select, bindparam, func, or_, select
from sqlalchemy.orm import joinedload, with_expression
from sqlalchemy.sql.base import ExecutableOption

from webapp.database import db, dialect_name
from webapp.domain.batches import ranges
from webapp.domain.connections import settings as connections
from webapp.domain.operations.status import stalls
from webapp.domain.permissions import Permission, may
from webapp.models import (
    Batch,
    BatchStatus,
    Connection,
    Endpoint,
    ImportStatus,
    MemberImport,
    Quest,
    Role,
    Staff,
)
from webapp.models.batch import RUNNING
from webapp.models.member_import import ACTIVE

T = TypeVar("T", Batch, Connection, Endpoint, MemberImport)

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
    connections: Newest[Connection]
    drafts: Newest[Batch]

    @property
    def needs_attention(self) -> bool:
        kinds = (
            self.stalled,
            self.failed,
            self.waiting,
            self.webhooks,
            self.drafts,
            self.connections,
        )
        return any(kind.total for kind in kinds)

    @property
    def running(self) -> int:
        return self.batches.total + self.imports.total


def load(staff: Staff) -> Work:
    """Return the work of all kinds; a query that counts it, and one for each kind that there is, however much."""
    which = {"staff_id": staff.id}
    kinds = list(_kinds(dialect_name(), staff.role))
    totals = db.session.execute(_select_totals(dialect_name(), staff.role), which).one()
    work: dict[str, Newest[Any]] = dict.fromkeys(Work.__annotations__, Newest())
    for kind, total in zip(kinds, totals, strict=True):
        rows = db.session.scalars(kind.newest, which).all() if total else []
        work[kind.name] = Newest(list(rows), max(total, len(rows)) if rows else 0)
    return Work(**work)


class _Kind(NamedTuple):
    name: str  # in Work
    total: ColumnElement[int]
    newest: Select[Any]


@cache
def _select_totals(dialect: str, role: Role) -> Executable:
    return select(*(kind.total for kind in _kinds(dialect, role)))


@cache
def _kinds(_dialect: str, role: Role) -> tuple[_Kind, ...]:
    return tuple(_visible(role))


def _visible(role: Role) -> Iterator[_Kind]:
    """The kinds of work that a role may see or act on."""
    running = Batch.status.in_(RUNNING)
    yield _batches("batches", running)
    if may(role, Permission.BATCH_UNLOCK):
        partial = Batch.status == BatchStatus.PARTIALLY_PUBLISHED
        own = Batch.created_by == bindparam("staff_id")
        yield _batches("stalled", running, stalls())
        yield _batches("failed", partial, Batch.undone_at.is_(None))
        yield _batches("drafts", Batch.status == BatchStatus.DRAFT, own)
    if may(role, Permission.IMPORT_EXPORT_MEMBERS):
        yield _kind("imports", MemberImport, MemberImport.status.in_(ACTIVE))
        yield _kind("waiting", MemberImport, MemberImport.status.in_(UNFINISHED))
    if may(role, Permission.MANAGE_INTEGRATIONS):
        failing = or_(Endpoint.failures > 0, Endpoint.disabled_reason != "")
        yield _kind("webhooks", Endpoint, failing)
        yield _kind("connections", Connection, connections.is_failing())


def _batches(name: str, *conditions: ColumnElement[bool]) -> _Kind:
    options: list[ExecutableOption] = [
        joinedload(Batch.quest).joinedload(Quest.badge),
        with_expression(Batch.last_error, ranges.last_error()),
    ]
    return _kind(name, Batch, *conditions, options=options)


def _kind(
    name: str,
    model: type[T],
    *conditions: ColumnElement[bool],
    options: list[ExecutableOption] | None = None,
) -> _Kind:
    counted = select(func.count()).select_from(model).where(*conditions).scalar_subquery()
    newest = select(model).where(*conditions).options(*options or [])
    return _Kind(name, counted, newest.order_by(model.id.desc()).limit(SHOWN))
