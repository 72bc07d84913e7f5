"""Process a batch, one time slice at a time."""

from __future__ import annotations

import logging
from functools import partial

from sqlalchemy.exc import DBAPIError

from jobs.context import job, settings, worker_actor
from jobs.time_slice import Steps, run_slices, smaller_chunk
from webapp.domain.batches import processing
from webapp.models import Batch
from webapp.transaction import transaction

log = logging.getLogger(__name__)


@job
def unlock(batch_id: int) -> None:
    chunk = settings().chunk_size
    run_slices(
        "unlock",
        Batch,
        batch_id,
        claim=lambda owner, lease, at: processing.claim(batch_id, owner, lease, chunk, at),
        steps=partial(_chunks, batch_id),
        others_wait=partial(processing.others_wait, batch_id),
    )


def _chunks(batch_id: int, owner: str, singly: int) -> Steps:
    chunk = settings().chunk_size
    number = 1 if singly else chunk
    more = True
    while more:
        try:
            more = _step(batch_id, owner, number)
        except DBAPIError as problem:
            smaller = smaller_chunk(number, problem)
            log.warning(
                "batch %s: database rejected %s entries: %s", batch_id, number, problem.orig
            )
            number = smaller
        else:
            singly -= 1
            number = 1 if singly > 0 else min(chunk, number * 2)
        if more:
            yield True


def _step(batch_id: int, owner: str, number: int) -> bool:
    lease, only = settings().lease_seconds, None
    if number == 1:
        with transaction():
            only = processing.count_attempt(batch_id, owner, lease)
    with transaction():
        return processing.process_chunk(batch_id, owner, lease, number, worker_actor().at, only)
