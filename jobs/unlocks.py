"""Carries out a batch, a slice at a time."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from jobs.context import job, settings, stopping, worker_actor
from jobs.time_slice import PAUSE, TURN, time_limit
from webapp.domain.batches import processing
from webapp.infrastructure import job_queue
from webapp.transaction import transaction

log = logging.getLogger(__name__)

SMALLER = 8  # a refused chunk is divided by this


@job
def unlock(batch_id: int) -> None:
    """Works on a batch for a slice of time, then lets the next one have its turn. Rung twice, one runner works."""
    owner = str(uuid4())
    lease, chunk = settings().lease_seconds, settings().chunk_size
    with transaction():
        singly = processing.claim(batch_id, owner, lease, chunk, worker_actor().at)
    if singly is None:
        return
    try:
        if _slice(batch_id, owner, singly):
            with transaction():
                processing.release(batch_id, owner)
                job_queue.enqueue_after_commit("unlock", batch_id)
    except SQLAlchemyError as problem:
        if limit := time_limit(problem):
            raise limit from problem
        log.exception("batch %s: the slice broke off; the clock rings again", batch_id)
        with transaction():
            processing.note_trouble(batch_id, owner, type(problem).__name__)


def _slice(batch_id: int, owner: str, singly: int) -> bool:
    """Decides chunks until the slice is over; says whether the batch has more and is still ours.

    A chunk that the database refuses is tried again in smaller ones, down to the entry that it refuses.
    """
    chunk = settings().chunk_size
    number = 1 if singly else chunk
    began = time.monotonic()
    while True:
        try:
            more = _step(batch_id, owner, number)
        except OperationalError:
            raise  # the database itself is in trouble, not an entry
        except DBAPIError as problem:
            log.warning("batch %s: %s entries were refused: %s", batch_id, number, problem.orig)
            more, number = True, max(1, number // SMALLER)
        else:
            singly -= 1
            number = 1 if singly > 0 else min(chunk, number * 2)
        if not more:
            return False
        elapsed = time.monotonic() - began
        if stopping() or elapsed > settings().slice_seconds:
            return True
        if elapsed > TURN and processing.others_wait(batch_id):
            return True
        if settings().sqlite:
            time.sleep(PAUSE)


def _step(batch_id: int, owner: str, number: int) -> bool | None:
    lease, only = settings().lease_seconds, None
    if number == 1:
        with transaction():
            only = processing.count_attempt(batch_id, owner, lease)
    with transaction():
        return processing.process_chunk(batch_id, owner, lease, number, worker_actor().at, only)
