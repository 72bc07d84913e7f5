"""Carries out an import of members, or its dry run, a slice at a time."""

from __future__ import annotations

import logging
import time
from uuid import uuid4

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from jobs.context import job, settings, stopping, worker_actor
from jobs.time_slice import PAUSE, TURN, time_limit
from webapp.database import db
from webapp.domain.batches import processing
from webapp.domain.imports import processing as import_processing
from webapp.domain.imports.processing import Reader, Rows
from webapp.infrastructure import job_queue
from webapp.transaction import transaction

log = logging.getLogger(__name__)

SMALLER = 8  # a refused chunk is divided by this


@job
def import_members(import_id: int) -> None:
    """Works on an import for a slice of time, then lets others have their turn. Rung twice, one runner works."""
    owner = str(uuid4())
    with transaction():
        ours = import_processing.claim(
            import_id, owner, settings().lease_seconds, worker_actor().at
        )
    if not ours:
        return
    try:
        reader = import_processing.read(import_id, owner)
        db.session.rollback()  # ends the reading
        if reader is not None and _slice(import_id, owner, reader):
            with transaction():
                import_processing.release(import_id, owner)
                job_queue.enqueue_after_commit("import_members", import_id)
    except SQLAlchemyError as problem:
        if limit := time_limit(problem):
            raise limit from problem
        # Without the trace: what a database says of a row may name who stands in it.
        name = type(getattr(problem, "orig", None) or problem).__name__
        log.error("import %s: the slice broke off (%s); the clock rings again", import_id, name)
        with transaction():
            import_processing.note_trouble(import_id, owner, name)


def _slice(import_id: int, owner: str, reader: Reader) -> bool:
    """Deals with chunks until the slice is over; says whether the import has more and is still ours.

    A dry run is gone through to its end, as it would begin anew.
    """
    began = time.monotonic()
    while True:
        if not _deal_with(import_id, owner, reader, reader.next(settings().chunk_size)):
            return False
        elapsed = time.monotonic() - began
        if stopping():
            return True
        if reader.imagined is None and (
            elapsed > settings().slice_seconds or (elapsed > TURN and processing.others_wait(0))
        ):
            return True
        if settings().sqlite:
            time.sleep(PAUSE)


def _deal_with(import_id: int, owner: str, reader: Reader, rows: Rows) -> bool:
    """A chunk, or what the database refuses of it in smaller ones, down to the row; False: finished, or not ours."""
    size = len(rows)
    while True:
        try:
            more = _step(import_id, owner, reader, rows[:size])
        except OperationalError:
            raise  # the database itself is in trouble, not a row
        except DBAPIError as problem:
            name = type(problem.orig).__name__
            log.warning("import %s: %s rows were refused: %s", import_id, size, name)
            if size > 1:
                size = max(1, size // SMALLER)
                continue
            more = _step(import_id, owner, reader, rows[:size], refused=True)
        rows = rows[size:]
        if not more or not rows:
            return bool(more)


def _step(
    import_id: int, owner: str, reader: Reader, rows: Rows, *, refused: bool = False
) -> bool | None:
    with transaction():
        lease = settings().lease_seconds
        return import_processing.take(
            import_id, owner, lease, reader, rows, worker_actor().at, refused=refused
        )
