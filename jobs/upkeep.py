"""What the clock does: rings for work that nobody does, clears what grew old. Any number may do it at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from webapp import later
from webapp.domain import deliveries, holders, importing, second_factor, tidying, unlocking
from webapp.domain.rules import due, evaluation
from webapp.transaction import transaction


def ring_again() -> None:
    """Rings for all that waits for a worker and has no ring in the queue."""
    later.ring_missing("unlock", unlocking.waiting())
    later.ring_missing("import_members", importing.waiting())
    later.ring_missing("deliver", deliveries.waiting(datetime.now(UTC)))
    later.ring_missing("evaluate", evaluation.waiting())
    later.ring_missing("earn", [due.EVERYBODY] if due.waiting() else [])


def tidy() -> None:
    """Clears what has had its time, seals secrets under the present SECRET_KEY, mends counts that differ."""
    now = datetime.now(UTC)
    with transaction():
        tidying.tidy(now)
    with transaction():
        second_factor.renew_seals()
    with transaction():
        due.days_over(now)
    for batch_id in tidying.differing(since=now - timedelta(days=1)):
        with transaction():
            tidying.recount(batch_id)
    for badge_id in holders.differing():
        with transaction():
            holders.recount(badge_id)
