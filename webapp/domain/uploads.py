"""A file chosen for a batch: previewed, then applied as it was shown (B-13, B-16, B-41)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import undefer

from webapp.database import db
from webapp.domain import batches, preview, record, spreadsheets
from webapp.domain.act import Act
from webapp.domain.preview import Preview
from webapp.domain.refusals import Refused
from webapp.models import Batch, Upload

ROWS_PER_MEMBER = 4  # a file may have this many times the rows that a batch may have members


@dataclass(frozen=True)
class Applied:
    """What the second `Upload` did, in rows; `added` in members, who are as many."""

    added: int
    merged: int
    left_out: int
    already: int


def examine(batch_id: int, data: bytes, limit: int) -> Preview:
    """Reads a file and resolves its rows against the directory and the batch; writes nothing.

    Raises Refused for a file that can't be read or has too many members, and where the batch takes none now.
    """
    batch = batches.get(batch_id)
    batches.want_taking(batch)
    sheet = spreadsheets.read(data, max_rows=ROWS_PER_MEMBER * limit)
    seen = preview.resolve(sheet, batch_id)
    number = batch.users + len(seen.member_ids())
    if number > limit:
        raise batches.over_limit(number, limit)
    return seen


def keep(batch_id: int, filename: str, data: bytes, seen: Preview, act: Act) -> Upload:
    """Keeps a file and its preview until the second `Upload`; a file chosen before is replaced."""
    discard(batch_id)
    batches.want_taking(batches.get(batch_id))
    upload = Upload(
        batch_id=batch_id,
        filename=spreadsheets.shown(re.split(r"[/\\]", filename)[-1], 254),
        sha256=hashlib.sha256(data).hexdigest(),
        created_at=act.at,
        content=data,
        preview=seen.pack(),
    )
    db.session.add(upload)
    db.session.flush()
    return upload


def discard(batch_id: int) -> None:
    """Drops the file chosen for a batch; without one, nothing. Raises NotFound where there is no such batch."""
    batches.lock(batch_id)
    db.session.execute(
        delete(Upload).where(Upload.batch_id == batch_id, Upload.applied_at.is_(None))
    )


def pending(batch_id: int) -> Upload | None:
    """The file that waits for the second `Upload`, with its preview, or None."""
    return db.session.scalar(
        select(Upload)
        .options(undefer(Upload.preview))
        .where(Upload.batch_id == batch_id, Upload.applied_at.is_(None))
    )


def earlier_use(upload: Upload) -> Batch | None:
    """The latest batch to which the very same file was applied before, or None."""
    return db.session.scalar(
        select(Batch)
        .join(Upload, Upload.batch_id == Batch.id)
        .where(Upload.sha256 == upload.sha256, Upload.applied_at.is_not(None))
        .order_by(Upload.applied_at.desc())
        .limit(1)
    )


def apply(batch_id: int, upload_id: int, limit: int, act: Act) -> Applied | None:
    """Adds the good rows of a previewed file to the batch, and lets go of the file.

    Where members changed since the preview so that the result would differ, nothing is added: the preview is made
    anew with the changes marked, and None returned. Raises Refused when this file was replaced or applied already.
    """
    batches.lock(batch_id)
    upload = db.session.scalar(
        select(Upload)
        .options(undefer(Upload.content), undefer(Upload.preview))
        .where(Upload.id == upload_id, Upload.batch_id == batch_id)
        .execution_options(populate_existing=True)
    )
    if upload is None:
        if pending(batch_id):
            raise Refused("Another file was chosen for this batch meanwhile; this is its preview.")
        raise Refused("This file is not there any more; choose it again.")
    if upload.applied_at is not None or upload.content is None or upload.preview is None:
        raise Refused("This file was uploaded already.")
    now = examine(batch_id, upload.content, limit)
    if now.mark_changes(Preview.unpack(upload.preview)):
        upload.preview = now.pack()
        return None
    added = batches.add_members(batch_id, now.member_ids(), limit, act)
    counts = now.counts()
    upload.applied_at, upload.content, upload.preview = act.at, None, None
    record.write(
        act,
        "batch.filled",
        "batch",
        batch_id,
        added=added,
        left_out=counts["errors"],
        merged=counts["merged"],
        already=counts["already"],
        sha256=upload.sha256,
    )
    return Applied(added, counts["merged"], counts["errors"], counts["already"])
