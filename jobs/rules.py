"""Awards what rules award: to members who are noted, and to everybody when a rule comes into force."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from jobs.context import job, settings, stopping, worker_actor
from jobs.time_slice import PAUSE, TURN, time_limit
from webapp.domain.batches import processing
from webapp.domain.rules import backfill, candidates, evaluation
from webapp.infrastructure import job_queue
from webapp.transaction import transaction

log = logging.getLogger(__name__)

# A step looks at as many members as fit into this time: few where many are awarded, many where hardly anybody is.
STEP = 0.05  # seconds
MOST = 20_000  # members of a step


@job
def evaluate_candidates(_everybody: int) -> None:
    """Looks at members who are noted until none is, or its time is over. Rung twice, two share the work."""
    began, number = time.monotonic(), settings().chunk_size
    while True:
        try:
            with transaction():
                decided = evaluation.evaluate_candidates(number, worker_actor().at)
        except OperationalError:
            raise  # the database itself is in trouble, not a member
        except DBAPIError as problem:
            if limit := time_limit(problem):
                raise limit from problem
            number = _smaller(number, problem)
            continue
        if not decided:
            return
        number = min(settings().chunk_size, number * 2)
        if _over(began):
            with transaction():
                job_queue.enqueue_after_commit("evaluate_candidates", candidates.EVERYBODY)
            return


def _smaller(number: int, problem: DBAPIError) -> int:
    """What is refused is tried again in smaller steps; the one who is refused alone is left out."""
    log.warning("%s members noted for rules were refused: %s", number, problem.orig)
    if number > 1:
        return max(1, number // 8)
    with transaction():
        following = evaluation.following()
        if following:
            log.error("member %s can't be decided for rule %s and is left out", *following[::-1])
            evaluation.forget(*following)
    return 1


@job
def evaluate(rule_id: int) -> None:
    """Looks at the members who are there for a rule, for a slice of time. Rung twice, one runner works."""
    owner, lease = str(uuid4()), settings().lease_seconds
    with transaction():
        mine = backfill.claim(rule_id, owner, lease, worker_actor().at)
    if not mine:
        return
    try:
        more = _slice(rule_id, owner, lease)
        if more:
            with transaction():
                backfill.release(rule_id, owner)
                job_queue.enqueue_after_commit("evaluate", rule_id)
    except SQLAlchemyError as problem:
        if limit := time_limit(problem):
            raise limit from problem
        log.exception("rule %s: the slice broke off; the clock rings again", rule_id)
        with transaction():
            backfill.note_trouble(rule_id, owner, type(problem).__name__)


def _slice(rule_id: int, owner: str, lease: float) -> bool:
    """Steps until the slice is over; says whether there are more members and the rule is still ours."""
    began, number = time.monotonic(), settings().chunk_size
    while True:
        step = time.monotonic()
        with transaction():
            more = backfill.evaluate_some(rule_id, owner, lease, number, worker_actor().at)
        if not more:
            return False
        took = time.monotonic() - step
        number = min(MOST, number * 2) if took < STEP else max(1, number // 2)
        if _over(began):
            return True


def _over(began: float) -> bool:
    """Whether it is another's turn; on SQLite others are let in between two steps."""
    elapsed = time.monotonic() - began
    if settings().sqlite:
        time.sleep(PAUSE)
    if stopping() or elapsed > settings().slice_seconds:
        return True
    return elapsed > TURN and bool(processing.waiting() or candidates.any_waiting())
