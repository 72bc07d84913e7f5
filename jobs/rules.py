"""Award what rules grant: to candidates, and to all members when a rule takes effect."""

from __future__ import annotations

import logging
import time
from functools import partial

from sqlalchemy.exc import DBAPIError

from jobs.context import job, settings, worker_actor
from jobs.time_slice import Steps, run_slice, run_slices, smaller_chunk
from webapp.domain.batches import processing
from webapp.domain.rules import backfill, candidates, evaluation
from webapp.infrastructure import job_queue
from webapp.models import Rule
from webapp.transaction import transaction

log = logging.getLogger(__name__)

# A step checks as many members as fit into this time: few if many are awarded, many if hardly any are. But if the
# database is far away or busy, even one member takes longer, and fewer members would only mean more steps.
STEP = 0.05  # seconds
LEAST, MOST = 500, 20_000  # members in a step


@job
def evaluate_candidates(_everybody: int) -> None:
    """Evaluate candidates until there are none or time is up. Two of these jobs share the work."""
    if run_slice(_noted(), _others_wait):
        with transaction():
            job_queue.enqueue_after_commit("evaluate_candidates", candidates.EVERYBODY)


def _noted() -> Steps:
    number = settings().chunk_size
    while True:
        try:
            with transaction():
                decided = evaluation.evaluate_candidates(number, worker_actor().at)
        except DBAPIError as problem:
            smaller = smaller_chunk(number, problem)
            log.warning("rules: database rejected %s candidates: %s", number, problem.orig)
            if number == 1:
                _leave_out()
            number = smaller
            continue
        if not decided:
            return
        number = min(settings().chunk_size, number * 2)
        yield True


def _leave_out() -> None:
    """Skip a member that the database rejects even alone."""
    with transaction():
        following = evaluation.following()
        if following:
            log.error("rules: skipping member %s for rule %s", *following[::-1])
            evaluation.forget(*following)


@job
def evaluate(rule_id: int) -> None:
    run_slices(
        "evaluate",
        Rule,
        rule_id,
        claim=partial(backfill.claim, rule_id),
        steps=partial(_ranges, rule_id),
        others_wait=_others_wait,
    )


def _ranges(rule_id: int, owner: str, _claimed: Rule) -> Steps:
    number = settings().chunk_size
    while True:
        began = time.monotonic()
        with transaction():
            lease = settings().lease_seconds
            more = backfill.evaluate_some(rule_id, owner, lease, number, worker_actor().at)
        if not more:
            return
        took = time.monotonic() - began
        number = min(MOST, number * 2) if took < STEP else max(LEAST, number // 2)
        yield True


def _others_wait() -> bool:
    return processing.others_wait() or candidates.any_waiting()
