"""What the clock does: rings for work that nobody does, clears what grew old. Any number may do it at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from webapp.domain import deliveries, holders, importing, second_factor, tidying, unlocking
from webapp.domain.rules import due, evaluation
from webapp.infrastructure import job_queue
from webapp.transaction import transaction


def ring_again() -> None:
    """Rings for all that waits for a worker and has no ring in the queue."""
    job_queue.enqueue_missing("unlock", unlocking.waiting())
    job_queue.enqueue_missing("import_members", importing.waiting())
    job_queue.enqueue_missing("deliver", deliveries.waiting(datetime.now(UTC)))
    job_queue.enqueue_missing("evaluate", evaluation.waiting())
    job_queue.enqueue_missing("earn", [due.EVERYBODY] if due.waiting() else [])


def days() -> None:
    """Has members looked at for whom the days that a rule asks for are over."""
    with transaction():
        due.days_over(datetime.now(UTC))


def tidy() -> None:
    """Clears what has had its time."""
    with transaction():
        tidying.tidy(datetime.now(UTC))


def renew_seals() -> None:
    """Seals secrets under the present SECRET_KEY."""
    with transaction():
        second_factor.renew_seals()


def recount() -> None:
    """Mends counts that differ from what they count."""
    for batch_id in tidying.differing(since=datetime.now(UTC) - timedelta(days=1)):
        with transaction():
            tidying.recount(batch_id)
    for badge_id in holders.differing():
        with transaction():
            holders.recount(badge_id)


NOW_AND_THEN = (
    days,
    tidy,
    renew_seals,
    recount,
)  # each by itself: one that fails holds up no other
