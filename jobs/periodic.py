"""The clock's tasks: re-queue abandoned work and purge expired data. Safe to run concurrently."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from webapp.domain.actor import Actor
from webapp.domain.badges import holder_counts
from webapp.domain.batches import processing
from webapp.domain.connections import pulls, pushes
from webapp.domain.connections import settings as connections
from webapp.domain.credentials import issuer
from webapp.domain.imports import processing as import_processing
from webapp.domain.operations import maintenance
from webapp.domain.rules import backfill, candidates
from webapp.domain.staff import two_factor
from webapp.domain.webhooks import deliveries, event_feed
from webapp.infrastructure import job_queue
from webapp.models import Origin
from webapp.transaction import transaction


def requeue_pending() -> None:
    """Enqueue all pending work that has no job in the queue."""
    job_queue.enqueue_missing("unlock", processing.waiting())
    job_queue.enqueue_missing("import_members", import_processing.waiting())
    job_queue.enqueue_missing("deliver", deliveries.waiting(datetime.now(UTC)))
    job_queue.enqueue_missing("pull", pulls.waiting())
    job_queue.enqueue_missing("push", pushes.waiting(datetime.now(UTC)))
    job_queue.enqueue_missing("evaluate", backfill.waiting())
    job_queue.enqueue_missing(
        "evaluate_candidates", [candidates.EVERYBODY] if candidates.any_waiting() else []
    )


def days() -> None:
    """Evaluate members who have just reached the days that a rule requires."""
    with transaction():
        candidates.note_days_reached(datetime.now(UTC))


def tidy() -> None:
    with transaction():
        maintenance.purge_expired(datetime.now(UTC))


def place_events() -> None:
    """Give new events their position in the feed, so that its next reader doesn't wait for it."""
    if not event_feed.has_unplaced():
        return
    placed = event_feed.SLICE
    while placed == event_feed.SLICE:
        with transaction():
            placed = event_feed.place()


def purge_events() -> None:
    """Delete old events; separately, because it keeps others from reading the feed."""
    with transaction():
        event_feed.purge(datetime.now(UTC))


def reencrypt_secrets() -> None:
    with transaction():
        two_factor.reencrypt_secrets()
        issuer.reencrypt_secrets()
        connections.reencrypt_secrets()


def pull_members() -> None:
    """Read the members of all communities once a night."""
    with transaction():
        pulls.start_nightly(Actor(at=datetime.now(UTC), origin=Origin.WORKER))


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
    purge_events,
    reencrypt_secrets,
    recount,
    pull_members,
)  # separately: a failing task does not block the others
EVERY_TICK = requeue_pending, place_events
