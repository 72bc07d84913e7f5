"""Preview a file for a batch, then apply it as shown (B-13, B-16, B-41)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import undefer

from webapp.database import db
from webapp.domain import csv_files
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.batches import drafts, preview
from webapp.domain.batches.preview import Preview
from webapp.domain.csv_files import (
    AmbiguousEncodingError,
    ChosenColumns,
    Layout,
    Reading,
    UnclearColumnsError,
    uploaded_files,
)
from webapp.domain.csv_files.records import COLUMN_LIMIT
from webapp.domain.errors import DomainError
from webapp.domain.members import identify
from webapp.models import Batch, Upload

ROWS_PER_MEMBER = 4  # maximum rows in a file, relative to the batch's limit of members


@dataclass(frozen=True)
class Applied:
    """Number of rows per result of the second `Upload`; each row in `added` is a member."""

    added: int
    merged: int
    left_out: int
    already: int


def examine(
    batch_id: int,
    data: bytes,
    limit: int,
    encoding: str = "",
    choices: Mapping[str, int] | None = None,
    chosen: ChosenColumns | None = None,
) -> Preview:
    """Read a file and match its rows to members; writes nothing.

    `encoding`, `choices` and `chosen` are earlier answers about the file. Raises DomainError if the file can't be read,
    has too many members or the batch can't take any; AmbiguousEncodingError or UnclearColumnsError if a person must
    first choose the encoding or columns.
    """
    batch = drafts.get(batch_id)
    drafts.ensure_accepts_members(batch)
    sheet = csv_files.read(data, max_rows=ROWS_PER_MEMBER * limit, encoding=encoding, chosen=chosen)
    seen = preview.resolve(sheet, batch_id, choices)
    number = batch.entry_count + len(seen.member_ids())
    if number > limit:
        raise drafts.over_limit(number, limit)
    return seen


def receive(batch_id: int, data: bytes, limit: int) -> Preview | None:
    """Preview a new file as `examine` does; None if a person must first choose its encoding or columns."""
    try:
        return examine(batch_id, data, limit)
    except AmbiguousEncodingError:
        if not csv_files.readings(data):
            raise
        return None
    except UnclearColumnsError:
        csv_files.layout(data)  # raises DomainError if the columns can't be chosen either
        return None


def keep(batch_id: int, filename: str, data: bytes, seen: Preview | None, actor: Actor) -> Upload:
    """Store a file, with its preview if any, until the second `Upload`; replaces an earlier file."""
    discard(batch_id)
    drafts.ensure_accepts_members(drafts.get(batch_id))
    upload = Upload(
        batch_id=batch_id,
        **uploaded_files.file_columns(filename, data),
        created_at=actor.at,
        preview=seen.pack() if seen else None,
    )
    db.session.add(upload)
    db.session.flush()
    return upload


def readings(upload: Upload) -> list[Reading]:
    """Return the possible readings of the pending file; empty if it states its encoding."""
    return csv_files.readings(upload.content or b"")


def layout(upload: Upload) -> Layout | None:
    """Return the columns of the pending file to choose from; None if its encoding must be chosen first."""
    try:
        return csv_files.layout(
            upload.content or b"", encoding=upload.encoding, chosen=chosen_columns(upload)
        )
    except AmbiguousEncodingError:
        return None


def chosen_columns(upload: Upload) -> ChosenColumns | None:
    """Return the chosen columns of a file, as an argument for `csv_files.read`."""
    return (
        ChosenColumns(upload.header_choice["columns"], upload.header_choice["line"])
        if upload.header_choice
        else None
    )


def _reexamine(upload: Upload, limit: int) -> Preview:
    return examine(
        upload.batch_id,
        upload.content or b"",
        limit,
        upload.encoding,
        upload.choices,
        chosen_columns(upload),
    )


def set_columns(
    batch_id: int, upload_id: int, columns: Mapping[int, str], line: int | None, limit: int
) -> None:
    """Set the field of FIELDS for each cell of a row, and the header's line, 0 for none (E-8).

    Stored with the file for the second `Upload`. Raises DomainError if no column identifies members or one is repeated.
    """
    upload = _lock_pending(batch_id, upload_id)
    places: dict[str, int] = {}
    for place, field in columns.items():
        if not field:
            continue
        if field not in csv_files.FIELDS or not 0 <= place < COLUMN_LIMIT:
            raise DomainError("csv_files.column_unknown")
        if field in places:
            raise DomainError("batches.column_twice", column=csv_files.FIELDS[field])
        places[field] = place
    if not places:
        raise DomainError("batches.columns_missing")
    upload.header_choice = {"columns": places, "line": line}
    upload.preview = _reexamine(upload, limit).pack()


def pick_encoding(batch_id: int, upload_id: int, encoding: str, limit: int) -> None:
    """Read the pending file in the chosen encoding; a new encoding discards the chosen members."""
    upload = _lock_pending(batch_id, upload_id)
    uploaded_files.ensure_encoding(encoding)
    if encoding != upload.encoding:
        upload.choices = {}
    upload.encoding = encoding
    try:
        upload.preview = _reexamine(upload, limit).pack()
    except UnclearColumnsError:
        upload.preview = None  # the columns are chosen next


def choose_member(
    batch_id: int, upload_id: int, line: int, member_id: int | None, limit: int
) -> None:
    """Choose a member for an unmatched row, or clear the choice with None; previews the whole file again.

    Stored for the second `Upload`. Raises DomainError if the row needs no choice or the member doesn't exist.
    """
    upload, before = _previewed(batch_id, upload_id)
    if line not in before.lines.lines:
        raise DomainError("batches.row_settled")
    row = before.lines[before.lines.lines.index(line)]
    if not (row.chosen or row.kind == identify.MatchKind.ERROR):
        raise DomainError("batches.row_settled")
    others = {key: chosen for key, chosen in upload.choices.items() if key != str(line)}
    upload.choices = others if member_id is None else others | {str(line): member_id}
    now = _reexamine(upload, limit)
    place = now.lines.lines.index(line)
    if member_id is not None and place not in now.lines.chosen:
        raise DomainError("batches.choice_invalid")
    now.lines.changed = before.lines.changed
    upload.preview = now.pack()


def _previewed(batch_id: int, upload_id: int) -> tuple[Upload, Preview]:
    upload = _lock_pending(batch_id, upload_id)
    if upload.preview is None:
        raise DomainError("csv_files.choose_encoding_first")
    return upload, Preview.unpack(upload.preview)


def _lock_pending(batch_id: int, upload_id: int) -> Upload:
    """Return the batch's pending file with its content and preview, after locking the batch."""
    drafts.lock(batch_id)
    upload = db.session.scalar(
        select(Upload)
        .options(undefer(Upload.content), undefer(Upload.preview))
        .where(Upload.id == upload_id, Upload.batch_id == batch_id)
        .execution_options(populate_existing=True)
    )
    if upload is None:
        if pending(batch_id):
            raise DomainError("batches.file_replaced")
        raise DomainError("batches.file_gone")
    if upload.applied_at is not None or upload.content is None:
        raise DomainError("batches.file_added")
    return upload


def rows_with_errors(batch_id: int) -> bytes | None:
    """Return the pending file's rows with errors in its own format, plus a column `Message`; None without a file.

    The result can be uploaded again, corrected or not: the column is ignored. Cells that a spreadsheet would take for
    formulas are escaped; reading removes the escapes.
    """
    upload = pending(batch_id)
    if upload is None or upload.preview is None or upload.content is None:
        return None
    sheet = csv_files.read(
        upload.content,
        max_rows=sys.maxsize,
        encoding=upload.encoding,
        chosen=chosen_columns(upload),
    )
    names = {place: csv_files.FIELDS[field] for field, place in sheet.columns.items()}
    return uploaded_files.rows_with_errors(
        sheet.header,
        {} if sheet.line else names,
        ((line.cells, line.sentence) for line in Preview.unpack(upload.preview).shown("errors")),
        separator=sheet.separator,
        newline=sheet.newline,
        encoding=sheet.encoding,
    )


def discard(batch_id: int) -> None:
    """Discard a batch's pending file, if any. Raises NotFoundError for an unknown batch."""
    drafts.lock(batch_id)
    db.session.execute(
        delete(Upload).where(Upload.batch_id == batch_id, Upload.applied_at.is_(None))
    )


def pending(batch_id: int) -> Upload | None:
    return db.session.scalar(
        select(Upload)
        .options(undefer(Upload.preview))
        .where(Upload.batch_id == batch_id, Upload.applied_at.is_(None))
    )


def earlier_use(upload: Upload) -> Batch | None:
    """Return the latest batch to which an identical file was applied, or None."""
    return db.session.scalar(
        select(Batch)
        .join(Upload, Upload.batch_id == Batch.id)
        .where(Upload.sha256 == upload.sha256, Upload.applied_at.is_not(None))
        .order_by(Upload.applied_at.desc())
        .limit(1)
    )


def apply(batch_id: int, upload_id: int, limit: int, actor: Actor) -> Applied | None:
    """Add the valid rows of a previewed file to the batch and delete the file.

    If members changed since the preview so that the result differs, adds nothing, stores a new preview with the changes
    marked, and returns None. Raises DomainError if the file was replaced or already applied, or has no preview yet.
    """
    upload, before = _previewed(batch_id, upload_id)
    now = _reexamine(upload, limit)
    if now.mark_changes(before):
        upload.preview = now.pack()
        return None
    added = drafts.add_members(batch_id, now.member_ids(), limit, actor)
    counts = now.counts()
    upload.applied_at, upload.content, upload.preview = actor.at, None, None
    upload.choices, upload.header_choice = {}, {}
    audit_log.write(
        actor,
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
