"""Pulls: the members of a community, read page by page, then imported as a file's rows are (CN-1).

A pull is a `MemberImport` without a file. A worker leases it and stores each page, with the next page's cursor, in one
short transaction; after a crash the next worker goes on at that cursor. When all pages are read, the import of members
takes over, with its dry run, report and lease.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, select

from webapp.adapters.contract import ConnectionProblem, Pull
from webapp.database import db
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.connections import settings
from webapp.domain.errors import DomainError
from webapp.domain.imports import imports, pulled
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.infrastructure import job_queue
from webapp.messages import Message
from webapp.models import Connection, ImportStatus, MemberImport
from webapp.models.member_import import ACTIVE

CLAIMS = 5  # of a pull, without progress
PAUSE = 15  # seconds after a failure, doubled with each
NIGHT = time(2)  # UTC, when unattended pulls begin
MOST_MEMBERS = 1_000_000
LISTED = 10


def start(connection_id: int, actor: Actor, *, unattended: bool = False) -> MemberImport:
    """Start a pull; return the one in progress if there is one. It replaces one that ended without an import."""
    connection = require(Connection, connection_id, lock=NO_KEY_UPDATE)
    if connection.disabled_at is not None:
        raise DomainError("connections.turned_off")
    mine = MemberImport.connection_id == connection.id
    running = db.session.scalar(select(MemberImport).where(mine, MemberImport.status.in_(ACTIVE)))
    if running is not None:
        return running
    db.session.execute(delete(MemberImport).where(mine, MemberImport.status != ImportStatus.DONE))
    pull = MemberImport(
        filename=connection.title[:255],
        sha256="",
        status=ImportStatus.FETCHING,
        created_at=actor.at,
        connection_id=connection.id,
        unattended=unattended,
        header=pulled.HEADER,
        run_by=actor.staff_id,
        run_address=actor.address[: audit_log.ADDRESS_LENGTH],
    )
    db.session.add(pull)
    db.session.flush()
    audit_log.write(actor, "connection.pulled", "connection", connection.id)
    job_queue.enqueue_after_commit("pull", pull.id)
    return pull


def start_nightly(actor: Actor) -> list[int]:
    """Start a pull of each community that has been pulled before, but not since last night."""
    tonight = datetime.combine(actor.at.date(), NIGHT, actor.at.tzinfo)
    last_night = tonight if actor.at >= tonight else tonight - timedelta(days=1)
    since = exists().where(
        MemberImport.connection_id == Connection.id, MemberImport.created_at >= last_night
    )
    due = select(Connection.id).where(
        Connection.disabled_at.is_(None), Connection.pulled_at.is_not(None), ~since
    )
    return [
        start(connection_id, actor, unattended=True).id
        for connection_id in db.session.scalars(due.order_by(Connection.id)).all()
    ]


def waiting() -> list[int]:
    return list(db.session.scalars(select(MemberImport.id).where(_claimable())))


def claim(import_id: int, owner: str, lease: float, at: datetime) -> MemberImport | None:
    """Lease a pull whose pages aren't all read, for `lease` seconds; one of several callers gets it."""
    failed_claims = MemberImport.failed_claims + 1
    pull = leases.acquire(
        MemberImport, import_id, _claimable(), owner, lease, failed_claims=failed_claims
    )
    if pull is None:
        return None
    if db.session.get(Connection, pull.connection_id) is None:
        db.session.delete(pull)
        return None
    if pull.failed_claims > CLAIMS:
        _break(pull, Message("connections.pull_failed"), at)
        return None
    return pull


def connection_of(import_id: int) -> tuple[Connection, str]:
    """Return the connection of a pull, and the cursor of its next page."""
    pull = imports.get(import_id)
    return settings.get(pull.connection_id or 0), pull.cursor


def store(import_id: int, owner: str, lease: float, page: Pull, at: datetime) -> str:
    """Store a page; return the cursor of the next one, "" if there is none. Raises LeaseLostError."""
    pull = leases.renew(MemberImport, import_id, owner, lease)
    connection = require(Connection, pull.connection_id or 0, lock=NO_KEY_UPDATE)
    settings.record_success(connection)
    pull.failed_claims, pull.expected = 0, page.total
    members = [member for member in page.members if member.id]
    new = pulled.store(pull, connection, members)
    pull.cursor = page.next_cursor
    if page.next_cursor and not new:
        _break(pull, Message("connections.page_repeats"), at)
    elif page.next_cursor and pull.rows > MOST_MEMBERS:
        _break(pull, Message("connections.too_many_members", {"limit": MOST_MEMBERS}), at)
    elif not page.next_cursor and not pull.rows:
        _break(pull, Message("connections.no_members"), at)
    elif not page.next_cursor:
        _complete(pull, connection)
    db.session.flush()
    return pull.cursor if pull.status == ImportStatus.FETCHING else ""


def _complete(pull: MemberImport, connection: Connection) -> None:
    """Hand the members over to the import: with a dry run if someone is to look at it first."""
    pulled.complete(pull, connection)
    if connection.imports_members:
        pull.columns = pulled.COLUMNS
    carries_on = pull.unattended and not pulled.too_many_leave(pull)
    at_once = carries_on or not connection.imports_members
    imports.begin(pull, ImportStatus.RUNNING if at_once else ImportStatus.TRYING)
    job_queue.enqueue_after_commit("import_members", pull.id)


def fail(import_id: int, owner: str, problem: ConnectionProblem, at: datetime) -> None:
    """Record that a page couldn't be read: a temporary problem is tried again later, another ends the pull."""
    pull = leases.renew(MemberImport, import_id, owner, 0)
    connection = require(Connection, pull.connection_id or 0, lock=NO_KEY_UPDATE)
    settings.record_problem(connection, problem, at)
    pull.problem = problem.message.to_json()
    if not problem.temporary or pull.failed_claims >= CLAIMS:
        _break(pull, problem.message, at)
        return
    # A lease without an owner: the clock enqueues the pull when it ends.
    pause = max(PAUSE * 2 ** (pull.failed_claims - 1), min(problem.retry_after, 3_600))
    leases.renew(MemberImport, pull.id, owner, pause, lease_owner=None)


def history(connection_id: int) -> list[MemberImport]:
    """Return a community's newest pulls."""
    mine = select(MemberImport).where(MemberImport.connection_id == connection_id)
    return list(db.session.scalars(mine.order_by(MemberImport.id.desc()).limit(LISTED)))


def _break(pull: MemberImport, problem: Message, at: datetime) -> None:
    pull.status, pull.ended_at, pull.problem = ImportStatus.BROKEN, at, problem.to_json()
    pull.failed_claims = 0
    pull.end_lease()
    pulled.forget(pull.id)
    db.session.flush()


def _claimable() -> ColumnElement[bool]:
    return and_(MemberImport.status == ImportStatus.FETCHING, leases.is_free(MemberImport))
