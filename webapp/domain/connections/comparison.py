"""Compare who has a badge in a community with who holds it here, and repair what differs (CN-2)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from sqlalchemy import delete, exists, func, insert, or_, select
from sqlalchemy.orm import joinedload

from webapp.database import db, execute_rowcount
from webapp.domain import award_sync, leases
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.connections import settings
from webapp.domain.errors import DomainError
from webapp.domain.keyset_pagination import KeysetPage
from webapp.domain.lookup import NO_KEY_UPDATE, require
from webapp.infrastructure import job_queue
from webapp.models import (
    Award,
    BadgeDifference,
    BadgeMapping,
    BadgeSync,
    Connection,
    MemberAccount,
    Quest,
)

ON_A_PAGE = 25
CHUNK = 5_000  # accounts read or written together


def start(connection_id: int, actor: Actor) -> None:
    """Compare all mapped badges in the background; a later call starts over."""
    connection = require(Connection, connection_id, lock=NO_KEY_UPDATE)
    if connection.disabled_at is not None or not connection.shows_awards:
        raise DomainError("connections.turned_off")
    connection.compare_at = actor.at
    connection.failures, connection.backoff_until = 0, None
    audit_log.write(actor, "connection.compared", "connection", connection.id)
    job_queue.enqueue_after_commit("push", connection.id)


def next_mapping(connection_id: int, owner: str, lease: float) -> BadgeMapping | None:
    """Renew the lease and return a mapping that is yet to be compared. Raises LeaseLostError."""
    connection = leases.renew(Connection, connection_id, owner, lease)
    if connection.compare_at is None:
        return None
    older = or_(
        BadgeMapping.compared_at.is_(None), BadgeMapping.compared_at < connection.compare_at
    )
    query = select(BadgeMapping).where(BadgeMapping.connection_id == connection_id, older)
    return db.session.scalar(query.order_by(BadgeMapping.id).limit(1))


def renew(connection_id: int, owner: str, lease: float) -> None:
    leases.renew(Connection, connection_id, owner, lease)


def record(
    connection_id: int, owner: str, lease: float, mapping_id: int, there: set[str], at: datetime
) -> None:
    """Store who differs, given the accounts that have the badge there. Raises LeaseLostError.

    Leaves out members whose badge is still waiting to be sent, and accounts that aren't linked.
    """
    connection = leases.renew(Connection, connection_id, owner, lease)
    settings.record_success(connection)
    mapping = db.session.get(BadgeMapping, mapping_id, populate_existing=True)
    if mapping is None:
        return
    key = {"connection_id": connection_id, "quest_id": mapping.quest_id}
    old = delete(BadgeDifference).filter_by(**key)
    execute_rowcount(old)
    rows = (
        {**key, "member_id": member_id, "held_there": remote_id in there}
        for member_id, remote_id, held in _accounts(mapping)
        if held != (remote_id in there)
    )
    while chunk := list(islice(rows, CHUNK)):
        db.session.execute(insert(BadgeDifference), chunk)
    mapping.compared_at = max(at, connection.compare_at or at)


def _accounts(mapping: BadgeMapping) -> Iterable[tuple[int, str, bool]]:
    """Yield the linked accounts without a change that is waiting: member, ID there, and whether they hold the quest."""
    held = exists().where(
        Award.member_id == MemberAccount.member_id,
        Award.quest_id + 0 == mapping.quest_id,
        Award.revoked_at.is_(None),
    )
    waits = exists().where(
        BadgeSync.connection_id == mapping.connection_id,
        BadgeSync.quest_id == mapping.quest_id,
        BadgeSync.member_id == MemberAccount.member_id,
        BadgeSync.due_at.is_not(None),
    )
    last = 0
    while True:
        query = select(MemberAccount.member_id, MemberAccount.remote_id, held).where(
            MemberAccount.connection_id == mapping.connection_id,
            MemberAccount.missing_at.is_(None),
            MemberAccount.member_id > last,
            ~waits,
        )
        block = db.session.execute(query.order_by(MemberAccount.member_id).limit(CHUNK)).all()
        yield from block
        if len(block) < CHUNK:
            return
        last = block[-1].member_id


def repair(connection_id: int, actor: Actor) -> int:
    """Make the community's side as it is here, for all differences found; return how many badges are sent."""
    connection = require(Connection, connection_id, lock=NO_KEY_UPDATE)
    mine = BadgeDifference.connection_id == connection.id
    columns = BadgeDifference.connection_id, BadgeDifference.quest_id, BadgeDifference.member_id
    number = award_sync.mark(select(*columns).where(mine), actor.at)
    execute_rowcount(delete(BadgeDifference).where(mine))
    if number:
        audit_log.write(actor, "connection.repaired", "connection", connection.id, badges=number)
        job_queue.enqueue_after_commit("push", connection.id)
    return number


def is_running(connection: Connection) -> bool:
    """True if there are mappings yet to be compared."""
    if connection.compare_at is None:
        return False
    older = or_(
        BadgeMapping.compared_at.is_(None), BadgeMapping.compared_at < connection.compare_at
    )
    query = select(exists().where(BadgeMapping.connection_id == connection.id, older))
    return bool(db.session.scalar(query))


def counts(connection_id: int) -> tuple[int, int]:
    """Return how many badges are missing there, and how many there are that members don't hold here."""
    rows = db.session.execute(
        select(BadgeDifference.held_there, func.count())
        .where(BadgeDifference.connection_id == connection_id)
        .group_by(BadgeDifference.held_there)
    )
    numbers = dict(rows.all())
    return numbers.get(False, 0), numbers.get(True, 0)


def differences(connection_id: int, older_than: int | None = None) -> KeysetPage[BadgeDifference]:
    """Return a page of the differences; one query."""
    query = (
        select(BadgeDifference)
        .where(BadgeDifference.connection_id == connection_id)
        .options(
            joinedload(BadgeDifference.member),
            joinedload(BadgeDifference.quest).joinedload(Quest.badge),
        )
    )
    if older_than is not None:
        query = query.where(BadgeDifference.id < older_than)
    rows = list(db.session.scalars(query.order_by(BadgeDifference.id.desc()).limit(ON_A_PAGE + 1)))
    more = len(rows) > ON_A_PAGE
    return KeysetPage(rows[:ON_A_PAGE], (rows[ON_A_PAGE - 1].id,) if more else None)
