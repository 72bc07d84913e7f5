"""Process a batch, one time slice at a time."""

from __future__ import annotations

import logging
from functools import partial

from sqlalchemy.exc import DBAPIError

from jobs.context import job, settings, worker_actor
from jobs.time_slice import Steps, run_slices, smaller_chunk
from webapp.domain.batches import processing
from webapp.domain.batches.ranges import ClaimedRange
from webapp.infrastructure import job_queue
from webapp.models import BatchRange
from webapp.transaction import transaction

log = logging.getLogger(__name__)


@job
def unlock(batch_id: int) -> None:
    chunk = settings().chunk_size
    run_slices(
        "unlock",
        BatchRange,
        batch_id,
        claim=lambda owner, lease, at: processing.claim(batch_id, owner, lease, chunk, at),
        steps=lambda _, claimed: _chunks(claimed),
        others_wait=partial(processing.others_wait, batch_id),
    )


def _chunks(claimed: ClaimedRange) -> Steps:
    if claimed.shared:  # another worker, if there is one, takes another range
        job_queue.enqueue_unless_queued("unlock", claimed.batch_id)
    chunk, singly = settings().chunk_size, claimed.single_step_left
    number = 1 if singly else chunk
    more = True
    while more:
        try:
            more = _step(claimed, number)
        except DBAPIError as problem:
            smaller = smaller_chunk(number, problem)
            log.warning(
                "batch %s: database rejected %s entries: %s",
                claimed.batch_id,
                number,
                problem.orig,
            )
            number = smaller
        else:
            singly -= 1
            number = 1 if singly > 0 else min(chunk, number * 2)
        if more:
            yield True


def _step(claimed: ClaimedRange, number: int) -> bool:
    only = None
    if number == 1:
        with transaction():
            only = processing.count_attempt(claimed)
    with transaction():
        return processing.process_chunk(claimed, number, worker_actor().at, only)
