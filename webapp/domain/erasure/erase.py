"""Erase a member (D-5): nothing that names them remains, and their awards stay in totals anonymously.

The row stays as the target of awards and entries. Its keys begin with a space, which no ID, username or email does, so
no input matches it. Only `ErasedMember` keeps their ID, for the 90 days in which the feed of events tells other systems
to erase them too, and `ErasedAccount` a keyed hash of their account in a community, so that pulls pass over it. New
places with members' data must be added to `PLACES`.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import delete, func, select, update

from webapp.database import LARGEST_ID, db, enable_secure_delete, execute_rowcount
from webapp.domain.actor import Actor
from webapp.domain.api_access import idempotency
from webapp.domain.audit_log import events as audit_log
from webapp.domain.batches import ranges
from webapp.domain.credentials import erasure as credentials
from webapp.domain.erasure import stored_files
from webapp.domain.imports import pulled
from webapp.domain.lookup import require
from webapp.domain.members.personal_data import PersonalData
from webapp.domain.webhooks import outbox
from webapp.models import (
    ActivityCount,
    ActivityEvent,
    Award,
    Batch,
    BatchRange,
    Entry,
    ErasedMember,
    Member,
    MemberStatus,
    MemberWord,
    WebhookEvent,
)
from webapp.models.batch import RUNNING

NAME = "Erased member"


def erase(member_id: int, actor: Actor) -> int:
    """Erase a member permanently; return how many awards stay in totals anonymously.

    Their undecided entries become errors in running batches and are removed from others. If a later file contains their
    ID, a new member is created. Raises NotFoundError for an unknown or already erased member.
    """
    enable_secure_delete()
    # Before the member: workers lock a batch or import first, and then members.
    batches = _lock_batches(member_id)
    stored_files.lock_imports()
    member = require(Member, member_id, lock=True)
    person = PersonalData.of(member)
    db.session.add(
        ErasedMember(member_id=member.id, external_id=member.external_id, erased_at=actor.at)
    )
    _leave_batches(person, batches, actor)
    for forget in PLACES:
        forget(person)
    theirs = update(Award).where(Award.member_id == member.id)
    execute_rowcount(theirs.values(updated_at=actor.at))
    key = f" {uuid4().hex}"
    member.external_id = member.username_key = key
    member.username, member.name = NAME, ""
    member.email = member.email_key = None
    member.status, member.activity = MemberStatus.ERASED, 0
    member.joined_at = member.updated_at = actor.at
    db.session.flush()
    outbox.emit(WebhookEvent.MEMBER_ERASED, [member.id], actor.at)
    held = select(func.count()).where(Award.member_id == member.id)
    awards = db.session.scalar(held) or 0
    audit_log.write(actor, "member.erased", "member", member.id, awards=awards)
    return awards


def _lock_batches(member_id: int) -> list[Batch]:
    """Return the batches with undecided entries of the member, locked in the order of their IDs."""
    inside = select(Entry.batch_id).where(
        Entry.member_id == min(member_id, LARGEST_ID), Entry.outcome.is_(None)
    )
    ranges.lock(BatchRange.batch_id.in_(inside))
    query = select(Batch).where(Batch.id.in_(inside)).order_by(Batch.id).with_for_update()
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def _leave_batches(person: PersonalData, batches: list[Batch], actor: Actor) -> None:
    """Remove the member from batches that aren't running; a running batch's worker gives the reason at the entry."""
    for batch in batches:
        if batch.status in RUNNING:
            continue
        gone = execute_rowcount(
            delete(Entry).where(
                Entry.batch_id == batch.id,
                Entry.member_id == person.id,
                Entry.outcome.is_(None),
            )
        )
        batch.entry_count -= gone
        batch.updated_at = actor.at


def _forget_words(person: PersonalData) -> None:
    execute_rowcount(delete(MemberWord).where(MemberWord.member_id == person.id))


def _forget_reasons(person: PersonalData) -> None:
    execute_rowcount(
        update(Award).where(Award.member_id == person.id).values(reason="", revoke_reason="")
    )


def _forget_activity(person: PersonalData) -> None:
    """Delete their activity events, whose IDs may contain theirs."""
    for table in (ActivityEvent, ActivityCount):
        execute_rowcount(delete(table).where(table.member_id == person.id))


PLACES: list[Callable[[PersonalData], object]] = [
    _forget_words,
    _forget_reasons,
    _forget_activity,
    credentials.forget,
    stored_files.forget_uploads,
    stored_files.forget_imports,
    pulled.forget_person,
    idempotency.redact,
]
"""Functions that erase a person from everything besides the member's row that may name them."""
