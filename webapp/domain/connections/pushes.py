"""Make a community show what members hold here (CN-1): state, not events.

A worker leases a connection and takes badges that may differ there. What is sent is what the member holds at that
moment, so the order of changes and repetitions don't matter: after a crash the next worker sends the same again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, true, update
from sqlalchemy.orm import joinedload

from webapp.adapters.contract import (
    BadgeChange,
    BadgeGone,
    ConnectionProblem,
    Done,
    MemberGone,
    Outcome,
    Refused,
    RemoteAccount,
    RetryAfter,
)
from webapp.database import db, execute_rowcount
from webapp.database.arrays import in_array
from webapp.domain import award_sync, leases
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.connections import settings
from webapp.domain.keyset_pagination import KeysetPage
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.infrastructure import job_queue
from webapp.messages import Message
from webapp.models import (
    Award,
    BadgeMapping,
    BadgeSync,
    Connection,
    MemberAccount,
    Quest,
)

MARKED_TOGETHER = 5_000  # members, of a new mapping
LONGEST_WAIT = 3_600  # maximum Retry-After that is respected, in seconds
WAIT = 60  # seconds, if the community doesn't say how long
ON_A_PAGE = 25


@dataclass(frozen=True)
class PendingChange:
    """A change to send, and the version of its mark when it was read."""

    sync_id: int
    version: int
    change: BadgeChange


@dataclass(frozen=True)
class Result:
    pending: PendingChange
    outcome: Outcome


@dataclass(frozen=True)
class PushFigures:
    """How many badges wait to be sent, how many the community has refused, and in how many minutes none will wait."""

    waiting: int
    refused: int
    minutes: int | None


def waiting(at: datetime, *, leased: bool = False) -> list[int]:
    """Return connections with something to do: those to enqueue. With `leased`, also those that a worker holds."""
    due = exists().where(BadgeSync.connection_id == Connection.id, BadgeSync.due_at <= at)
    unmarked = exists().where(
        BadgeMapping.connection_id == Connection.id, BadgeMapping.mark_after.is_not(None)
    )
    free = true() if leased else leases.is_free(Connection)
    query = select(Connection.id).where(_open(at), free, or_(due, unmarked, _to_compare()))
    return list(db.session.scalars(query.order_by(Connection.id)))


def _to_compare() -> ColumnElement[bool]:
    older = or_(
        BadgeMapping.compared_at.is_(None), BadgeMapping.compared_at < Connection.compare_at
    )
    return exists().where(
        BadgeMapping.connection_id == Connection.id, Connection.compare_at.is_not(None), older
    )


def claim(connection_id: int, owner: str, lease: float, at: datetime) -> Connection | None:
    """Lease a connection for `lease` seconds; one of several callers gets it. None if leased, off or paused."""
    free = and_(leases.is_free(Connection), _open(at))
    return leases.acquire(Connection, connection_id, free, owner, lease)


def _open(at: datetime) -> ColumnElement[bool]:
    rested = or_(Connection.backoff_until.is_(None), Connection.backoff_until <= at)
    return and_(Connection.disabled_at.is_(None), Connection.shows_awards, rested)


def mark_some(connection_id: int, owner: str, lease: float, at: datetime) -> bool:
    """Mark some of the awards made before their quest was mapped; True if there may be more. Raises LeaseLostError."""
    leases.renew(Connection, connection_id, owner, lease)
    mapping = db.session.scalar(
        select(BadgeMapping)
        .where(BadgeMapping.connection_id == connection_id, BadgeMapping.mark_after.is_not(None))
        .order_by(BadgeMapping.id)
        .limit(1)
        .with_for_update(key_share=True)
    )
    if mapping is None or mapping.mark_after is None:
        return False
    if mapping.mark_after == 0:
        # Wait for changes of awards that began before the mapping was made, and don't mark them themselves.
        db.session.execute(select(Quest.id).where(Quest.id == mapping.quest_id).with_for_update())
    following = (
        select(MemberAccount.member_id)
        .where(
            MemberAccount.connection_id == connection_id,
            MemberAccount.member_id > mapping.mark_after,
        )
        .order_by(MemberAccount.member_id)
        .limit(MARKED_TOGETHER)
        .subquery()
    )
    last = db.session.scalar(select(func.max(following.c.member_id)))
    if last is not None:
        award_sync.mark_members(mapping, mapping.mark_after + 1, last, at)
    mapping.mark_after = last
    return True


def take(
    connection_id: int, owner: str, lease: float, number: int, at: datetime
) -> list[PendingChange]:
    """Renew the lease and return the next changes to send, the longest due first. Raises LeaseLostError."""
    connection = leases.renew(Connection, connection_id, owner, lease)
    if connection.disabled_at is not None or not connection.shows_awards:
        return []
    held = and_(
        Award.member_id == BadgeSync.member_id,
        Award.quest_id + 0 == BadgeSync.quest_id,
        Award.revoked_at.is_(None),
    )
    query = (
        select(
            BadgeSync.id,
            BadgeSync.version,
            MemberAccount.remote_id,
            MemberAccount.username,
            BadgeMapping.remote_id,
            Award.awarded_at,
        )
        .join(
            MemberAccount,
            and_(
                MemberAccount.member_id == BadgeSync.member_id,
                MemberAccount.connection_id == BadgeSync.connection_id,
            ),
        )
        .join(
            BadgeMapping,
            and_(
                BadgeMapping.quest_id == BadgeSync.quest_id,
                BadgeMapping.connection_id == BadgeSync.connection_id,
            ),
        )
        .outerjoin(Award, held)
        .where(BadgeSync.connection_id == connection_id, BadgeSync.due_at <= at)
        .order_by(BadgeSync.due_at, BadgeSync.id)
        .limit(number)
    )
    return [
        PendingChange(
            sync_id,
            version,
            BadgeChange(
                RemoteAccount(account, username), badge, awarded_at is not None, awarded_at or at
            ),
        )
        for sync_id, version, account, username, badge, awarded_at in db.session.execute(query)
    ]


def record(
    connection_id: int,
    owner: str,
    lease: float,
    results: Sequence[Result],
    seconds: float,
    at: datetime,
) -> bool:
    """Record the outcomes of changes sent within some seconds; True if more can be sent. Raises LeaseLostError.

    What has changed while it was being sent stays due.
    """
    connection = leases.renew(Connection, connection_id, owner, lease)
    settings.record_success(connection)
    done = [result.pending for result in results if isinstance(result.outcome, Done)]
    _forget([(pending.sync_id, pending.version) for pending in done])
    if done:
        connection.pace = max(1, round(60 * len(done) / max(seconds, 0.1)))
    pause = 0
    for result in results:
        outcome = result.outcome
        if isinstance(outcome, RetryAfter):
            pause = max(pause, min(outcome.seconds or WAIT, LONGEST_WAIT))
        elif not isinstance(outcome, Done):
            _refuse(connection_id, result.pending, outcome, at)
    if pause:
        connection.backoff_until = at + timedelta(seconds=pause)
    return not pause


def _forget(done: list[tuple[int, int]]) -> None:
    """Delete marks that haven't been made again since, with one statement for each version."""
    by_version: dict[int, list[int]] = {}
    for sync_id, version in done:
        by_version.setdefault(version, []).append(sync_id)
    for version, ids in by_version.items():
        execute_rowcount(
            delete(BadgeSync).where(in_array(BadgeSync.id, ids), BadgeSync.version == version)
        )


def _refuse(connection_id: int, pending: PendingChange, outcome: Outcome, at: datetime) -> None:
    problem = Message("connections.badge_gone")
    change = pending.change
    if isinstance(outcome, Refused):
        problem = outcome.reason
    elif isinstance(outcome, MemberGone):
        problem = Message("connections.member_gone")
        account = (
            MemberAccount.connection_id == connection_id,
            MemberAccount.remote_id == change.account.id,
        )
        gone = update(MemberAccount).where(*account, MemberAccount.missing_at.is_(None))
        execute_rowcount(gone.values(missing_at=at, marked=False))
    elif isinstance(outcome, BadgeGone):
        mapping = (
            BadgeMapping.connection_id == connection_id,
            BadgeMapping.remote_id == change.badge_id,
        )
        execute_rowcount(update(BadgeMapping).where(*mapping).values(gone_at=at))
    execute_rowcount(
        update(BadgeSync)
        .where(BadgeSync.id == pending.sync_id, BadgeSync.version == pending.version)
        .values(due_at=None, problem=problem.to_json())
    )


def fail(connection_id: int, owner: str, problem: ConnectionProblem, at: datetime) -> None:
    """Record that nothing could be sent, and pause. Raises LeaseLostError."""
    connection = leases.renew(Connection, connection_id, owner, 0)
    settings.record_problem(connection, problem, at)
    connection.end_lease()


def retry_refused(connection_id: int, actor: Actor) -> int:
    """Send again what the community has refused; return how many."""
    connection = require(Connection, connection_id, lock=NO_KEY_UPDATE)
    mine = BadgeSync.connection_id == connection.id, BadgeSync.due_at.is_(None)
    number = execute_rowcount(update(BadgeSync).where(*mine).values(due_at=actor.at, problem=[]))
    if number:
        connection.failures, connection.backoff_until = 0, None
        audit_log.write(actor, "connection.retried", "connection", connection.id, badges=number)
        job_queue.enqueue_after_commit("push", connection.id)
    return number


def figures(connection: Connection) -> PushFigures:
    """Return how much waits and was refused; one query."""
    counted = select(func.count(), func.count(BadgeSync.due_at)).where(
        BadgeSync.connection_id == connection.id
    )
    total, due = db.session.execute(counted).one()
    return PushFigures(due, total - due, minutes_for(due, connection.pace))


def minutes_for(due: int, pace: int) -> int | None:
    """Return how many minutes sending some badges takes at a pace; None if it's unknown or nothing is due."""
    return math.ceil(due / pace) if due and pace else None


def pending(
    connection_id: int, *, refused: bool, older_than: int | None = None
) -> KeysetPage[BadgeSync]:
    """Return a page of what waits, or was refused, newest first; one query."""
    state = BadgeSync.due_at.is_(None) if refused else BadgeSync.due_at.is_not(None)
    query = (
        select(BadgeSync)
        .where(BadgeSync.connection_id == connection_id, state)
        .options(joinedload(BadgeSync.member), joinedload(BadgeSync.quest).joinedload(Quest.badge))
    )
    if older_than is not None:
        query = query.where(BadgeSync.id < older_than)
    rows = list(db.session.scalars(query.order_by(BadgeSync.id.desc()).limit(ON_A_PAGE + 1)))
    more = len(rows) > ON_A_PAGE
    return KeysetPage(rows[:ON_A_PAGE], (rows[ON_A_PAGE - 1].id,) if more else None)
