"""Lease a row, process it for one time slice, then give other jobs a turn."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import uuid4

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from jobs.context import settings, stopping, worker_actor
from webapp.domain import leases
from webapp.infrastructure import job_queue
from webapp.models.lease import CountedLease, Lease
from webapp.transaction import transaction

log = logging.getLogger(__name__)

TURN = 1.0  # seconds that a job keeps the worker while others wait
# On SQLite one writer locks the whole database; the pause between steps lets web writes in (figures in bench/).
PAUSE = 0.005  # seconds
SMALLER = 8  # divides the size of a rejected chunk


class HasId(Protocol):
    @property
    def id(self) -> int: ...


T = TypeVar("T", bound=HasId)
# A job's steps: each `next` runs one or a few transactions. The yielded value says whether the slice may end
# there while the worker continues; the end of the iterator means that nothing is left to do.
Steps = Iterator[bool]


def run_slices(
    job: str,
    table: type[Lease],
    job_id: int,
    *,
    claim: Callable[[str, float, datetime], T | None],
    steps: Callable[[str, T], Steps],
    others_wait: Callable[[], bool],
    personal: bool = False,
) -> None:
    """Lease a row and work on it for one slice; enqueue the job again if there is more to do.

    `claim` returns the row, or what has its ID. If two jobs claim the same row, one gets it and the other returns.
    After a database error the lease expires, and the clock enqueues the job again. Errors about `personal` rows may
    name a member, so only the kind of error is logged.
    """
    owner = str(uuid4())
    with transaction():
        claimed = claim(owner, settings().lease_seconds, worker_actor().at)
        row_id = claimed.id if claimed else 0
    if claimed is None:
        return
    try:
        if run_slice(steps(owner, claimed), others_wait):
            with transaction():
                leases.release(table, row_id, owner)
            job_queue.enqueue_unless_queued(job, job_id)
    except leases.LeaseLostError:
        return
    except SQLAlchemyError as problem:
        if limit := _time_limit(problem):
            raise limit from problem
        cause = getattr(problem, "orig", None) if personal else None
        error = type(cause or problem).__name__
        log.error(
            "%s %s: slice failed (%s), will be re-queued",
            job,
            job_id,
            error,
            exc_info=not personal,
        )
        if issubclass(table, CountedLease):
            with transaction():
                leases.record_error(table, row_id, owner, error)


def run_slice(steps: Steps, others_wait: Callable[[], bool]) -> bool:
    """Run steps until the slice is over; True if there may be more."""
    began = time.monotonic()
    for may_end in steps:
        elapsed = time.monotonic() - began
        if stopping():
            return True
        if may_end and (elapsed > settings().slice_seconds or (elapsed > TURN and others_wait())):
            return True
        if settings().sqlite:
            time.sleep(PAUSE)
    return False


def smaller_chunk(number: int, problem: DBAPIError) -> int:
    if limit := _time_limit(problem):
        raise limit from problem
    if isinstance(problem, OperationalError):
        raise problem
    return max(1, number // SMALLER)


def _time_limit(problem: BaseException | None) -> job_queue.TimeLimit | None:
    """Return the job's time limit if it caused the error: it can be raised anywhere, even inside a statement."""
    while problem is not None and not isinstance(problem, job_queue.TimeLimit):
        problem = getattr(problem, "orig", None) or problem.__context__
    return problem
