"""Process an import of members, or its dry run, one time slice at a time."""

from __future__ import annotations

import logging
from functools import partial

from sqlalchemy.exc import DBAPIError

from jobs.context import job, settings, worker_actor
from jobs.time_slice import Steps, run_slices, smaller_chunk
from webapp.database import db
from webapp.domain.batches import processing
from webapp.domain.imports import processing as import_processing
from webapp.domain.imports.processing import ImportReader, Rows
from webapp.models import MemberImport
from webapp.transaction import transaction

log = logging.getLogger(__name__)


@job
def import_members(import_id: int) -> None:
    run_slices(
        "import_members",
        MemberImport,
        import_id,
        claim=partial(import_processing.claim, import_id),
        steps=partial(_chunks, import_id),
        others_wait=processing.others_wait,
        personal=True,
    )


def _chunks(import_id: int, owner: str, _claimed: MemberImport) -> Steps:
    reader = import_processing.read(import_id, owner)
    db.session.rollback()  # ends the generator
    return _read_chunks(import_id, owner, reader)


def _read_chunks(import_id: int, owner: str, reader: ImportReader) -> Steps:
    while _deal_with(import_id, owner, reader, reader.next(settings().chunk_size)):
        yield reader.imagined is None


def _deal_with(import_id: int, owner: str, reader: ImportReader, rows: Rows) -> bool:
    """Process a chunk; or if the database rejects it, smaller ones. False if the import is finished."""
    size = len(rows)
    while True:
        try:
            more = _step(import_id, owner, reader, rows[:size])
        except DBAPIError as problem:
            smaller, name = smaller_chunk(size, problem), type(problem.orig).__name__
            log.warning("import %s: database rejected %s rows: %s", import_id, size, name)
            if size > 1:
                size = smaller
                continue
            more = _step(import_id, owner, reader, rows[:size], refused=True)
        rows = rows[size:]
        if not more or not rows:
            return more


def _step(
    import_id: int, owner: str, reader: ImportReader, rows: Rows, *, refused: bool = False
) -> bool:
    with transaction():
        lease = settings().lease_seconds
        return import_processing.take(
            import_id, owner, lease, reader, rows, worker_actor().at, refused=refused
        )
