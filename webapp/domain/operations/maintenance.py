"""Purge expired data, and compare stored counts with their rows."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select

from webapp.database import db
from webapp.domain.api_access import idempotency
from webapp.domain.batches import drafts
from webapp.domain.operations import heartbeats
from webapp.domain.staff import first_admin, password_links, two_factor
from webapp.domain.webhooks import deliveries
from webapp.models import (
    Batch,
    BatchStatus,
    Entry,
    ImportStatus,
    LoginAttempt,
    MemberImport,
    MemberImportRow,
    Outcome,
    PendingFactor,
    SetupLink,
    StaffLink,
    StaffSession,
    Upload,
)
from webapp.models.batch import SUCCESSES
from webapp.models.staff import SESSION_LASTS

log = logging.getLogger(__name__)

UPLOADS_LAST = timedelta(days=7)
FAILURES_LAST = timedelta(hours=24)


def purge_expired(at: datetime) -> None:
    """Delete unapplied uploads and unstarted imports after 7 days, and rows skipped by imports.

    Sessions expire after 12 hours, pending authenticator secrets after 10 minutes, links, sign-in failures and stored
    responses after a day, deliveries two weeks after they ended. Also deletes silent processes.
    """
    db.session.execute(
        delete(Upload).where(Upload.applied_at.is_(None), Upload.created_at < at - UPLOADS_LAST)
    )
    old = MemberImport.created_at < at - UPLOADS_LAST
    db.session.execute(
        delete(MemberImport).where(
            MemberImport.status.not_in((ImportStatus.RUNNING, ImportStatus.DONE)), old
        )
    )
    ended = select(MemberImport.id).where(MemberImport.ended_at < at - UPLOADS_LAST)
    db.session.execute(delete(MemberImportRow).where(MemberImportRow.import_id.in_(ended)))
    db.session.execute(delete(StaffSession).where(StaffSession.created_at < at - SESSION_LASTS))
    pending = PendingFactor.created_at < at - two_factor.PENDING_LASTS
    db.session.execute(delete(PendingFactor).where(pending))
    db.session.execute(delete(SetupLink).where(SetupLink.created_at < at - first_admin.LIFETIME))
    db.session.execute(delete(StaffLink).where(StaffLink.created_at < at - password_links.LIFETIME))
    db.session.execute(delete(LoginAttempt).where(LoginAttempt.at < at - FAILURES_LAST))
    idempotency.purge_expired(at)
    deliveries.tidy(at)
    heartbeats.prune_stale()


def differing(since: datetime) -> list[int]:
    """Return the batches changed `since` whose counts or status don't match their entries.

    Always empty unless there is a bug; the scheduler and the tests check it.
    """
    succeeded = func.sum(case((Entry.outcome.in_(SUCCESSES), 1), else_=0))
    held = func.sum(case((Entry.outcome == Outcome.ALREADY_HELD, 1), else_=0))
    counted = (
        select(
            Entry.batch_id,
            func.count().label("entries"),
            succeeded.label("published"),
            held.label("held"),
            func.count(Entry.outcome).label("decided"),
        )
        .join(Batch, Batch.id == Entry.batch_id)
        .where(Batch.updated_at >= since)
        .group_by(Entry.batch_id)
        .subquery()
    )
    query = select(Batch.id).outerjoin(counted, counted.c.batch_id == Batch.id)
    return list(
        db.session.scalars(
            query.where(
                Batch.updated_at >= since,
                (Batch.entry_count != func.coalesce(counted.c.entries, 0))
                | (Batch.published != func.coalesce(counted.c.published, 0))
                | (Batch.already_held != func.coalesce(counted.c.held, 0))
                & Batch.undone_at.is_(None)
                | (Batch.published + Batch.errors != func.coalesce(counted.c.decided, 0))
                | _wrong_status(),
            )
        )
    )


def _wrong_status() -> ColumnElement[bool]:
    """True if a batch's status contradicts its counts (B-23); the SQL counterpart of `_correct_status`."""
    return or_(
        and_(Batch.status == BatchStatus.UNPUBLISHED, Batch.published > 0),
        and_(Batch.status == BatchStatus.PUBLISHED, Batch.errors > 0),
        and_(Batch.status == BatchStatus.PARTIALLY_PUBLISHED, Batch.errors == 0),
    )


def _correct_status(batch: Batch) -> None:
    if batch.status == BatchStatus.UNPUBLISHED:
        batch.status = batch.status_at_start
    elif not batch.draft and not batch.running:
        batch.status = batch.status_at_end


def recount(batch_id: int) -> None:
    """Correct a batch's counts and status from its entries; log an error, because it should never be necessary."""
    batch = drafts.lock(batch_id)
    outcomes = dict(
        db.session.execute(
            select(Entry.outcome, func.count())
            .where(Entry.batch_id == batch_id)
            .group_by(Entry.outcome)
        ).all()
    )
    batch.entry_count = sum(outcomes.values())
    batch.published = sum(outcomes.get(outcome, 0) for outcome in SUCCESSES)
    if batch.undone_at is None:
        batch.already_held = outcomes.get(Outcome.ALREADY_HELD, 0)
    batch.errors = batch.entry_count - batch.published - outcomes.get(None, 0)
    _correct_status(batch)
    log.error("batch %s: its counts differed from its entries and were corrected", batch_id)
