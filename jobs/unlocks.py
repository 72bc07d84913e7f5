"""Carries out a batch, a slice at a time."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from jobs.shell import act, job, settings, stopping
from webapp import later
from webapp.domain import unlocking
from webapp.transaction import transaction

log = logging.getLogger(__name__)


TURN = 1.0  # seconds that a batch keeps the worker while another one waits
# On SQLite one writer holds the whole database: the pause between chunks lets web writes in (figures in bench/).
PAUSE = 0.01  # seconds


@job
def unlock(batch_id: int) -> None:
    """Works on a batch for a slice of time, then lets the next one have its turn. Rung twice, one runner works."""
    owner = str(uuid4())
    lease, chunk = settings().lease_seconds, settings().chunk_size
    with transaction():
        singly = unlocking.claim(batch_id, owner, lease, chunk, act().at)
    if singly is None:
        return
    try:
        if _slice(batch_id, owner, singly):
            with transaction():
                unlocking.release(batch_id, owner)
                later.run_later("unlock", batch_id)
    except SQLAlchemyError as problem:
        log.exception("batch %s: the slice broke off; the clock rings again", batch_id)
        with transaction():
            unlocking.note_trouble(batch_id, owner, type(problem).__name__)


def _slice(batch_id: int, owner: str, singly: int) -> bool:
    """Decides chunks until the slice is over; says whether the batch has more and is still ours."""
    began = time.monotonic()
    while True:
        try:
            more = _step(batch_id, owner, singly > 0)
            singly -= 1
        except OperationalError:
            raise  # the database itself is in trouble, not an entry
        except DBAPIError as problem:
            log.warning("batch %s: a chunk was refused, going singly: %s", batch_id, problem.orig)
            more, singly = True, settings().chunk_size
            with transaction():
                unlocking.go_singly(batch_id, owner, singly)
        if not more:
            return False
        elapsed = time.monotonic() - began
        if stopping() or elapsed > settings().slice_seconds:
            return True
        if elapsed > TURN and unlocking.others_wait(batch_id):
            return True
        if settings().sqlite:
            time.sleep(PAUSE)


def _step(batch_id: int, owner: str, singly: bool) -> bool | None:
    lease, only = settings().lease_seconds, None
    if singly:
        with transaction():
            only = unlocking.mark_try(batch_id, owner, lease)
    with transaction():
        return unlocking.unlock_some(batch_id, owner, lease, settings().chunk_size, act().at, only)
