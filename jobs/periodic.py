"""Periodic tasks: re-queue stalled work and clean up old data. Several processes can run them at the same time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from webapp.domain.badges import holder_counts
from webapp.domain.batches import processing
from webapp.domain.imports import processing as import_processing
from webapp.domain.operations import maintenance
from webapp.domain.rules import backfill, candidates
from webapp.domain.staff import two_factor
from webapp.domain.webhooks import deliveries
from webapp.infrastructure import job_queue
from webapp.transaction import transaction


def requeue_pending() -> None:
    """Enqueue pending work that has no job in the queue."""
    job_queue.enqueue_missing("unlock", processing.waiting())
    job_queue.enqueue_missing("import_members", import_processing.waiting())
    job_queue.enqueue_missing("deliver", deliveries.waiting(datetime.now(UTC)))
    job_queue.enqueue_missing("evaluate", backfill.waiting())
    job_queue.enqueue_missing(
        "evaluate_candidates", [candidates.EVERYBODY] if candidates.any_waiting() else []
    )


def days() -> None:
    """Queue members who have reached the number of days that a rule requires."""
    with transaction():
        candidates.note_days_reached(datetime.now(UTC))


def tidy() -> None:
    with transaction():
        maintenance.purge_expired(datetime.now(UTC))


def reencrypt_secrets() -> None:
    with transaction():
        two_factor.reencrypt_secrets()


def recount() -> None:
    for batch_id in maintenance.differing(since=datetime.now(UTC) - timedelta(days=1)):
        with transaction():
            maintenance.recount(batch_id)
    for badge_id in holder_counts.differing():
        with transaction():
            holder_counts.recount(badge_id)


NOW_AND_THEN = (
    days,
    tidy,
    reencrypt_secrets,
    recount,
)  # run separately, so that a failure doesn't affect the others
