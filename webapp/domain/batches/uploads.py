"""A file chosen for a batch: previewed, then applied as it was shown (B-13, B-16, B-41)."""

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
    Layout,
    Reading,
    Said,
    UnclearColumnsError,
    uploaded_files,
)
from webapp.domain.csv_files.records import COLUMN_LIMIT
from webapp.domain.errors import DomainError
from webapp.domain.members import identify
from webapp.models import Batch, Upload

ROWS_PER_MEMBER = 4  # a file may have this many times the rows that a batch may have members


@dataclass(frozen=True)
class Applied:
    """What the second `Upload` did, in rows; `added` in members, who are as many."""

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
    said: Said | None = None,
) -> Preview:
    """Reads a file and resolves its rows against the directory and the batch; writes nothing.

    `encoding`, `choices` and `said` are what was picked for the file before. Raises DomainError for a file that can't
    be read or has too many members, and where the batch takes none now; AmbiguousEncodingError where one has to be
    picked first, UnclearColumnsError where a person has to say what the columns are.
    """
    batch = drafts.get(batch_id)
    drafts.ensure_accepts_members(batch)
    sheet = csv_files.read(data, max_rows=ROWS_PER_MEMBER * limit, encoding=encoding, said=said)
    seen = preview.resolve(sheet, batch_id, choices)
    number = batch.entry_count + len(seen.member_ids())
    if number > limit:
        raise drafts.over_limit(number, limit)
    return seen


def receive(batch_id: int, data: bytes, limit: int) -> Preview | None:
    """As `examine`, for a file that comes in: None where a person can say its encoding or columns, and has to."""
    try:
        return examine(batch_id, data, limit)
    except AmbiguousEncodingError:
        if not csv_files.readings(data):
            raise
        return None
    except UnclearColumnsError:
        csv_files.layout(data)  # raises DomainError where there is nothing to say
        return None


def keep(batch_id: int, filename: str, data: bytes, seen: Preview | None, actor: Actor) -> Upload:
    """Keeps a file, and its preview if there is one, until the second `Upload`; a file chosen before is replaced."""
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
    """How the file that waits can be read, for a person to pick; none where it says so itself."""
    return csv_files.readings(upload.content or b"")


def layout(upload: Upload) -> Layout | None:
    """What there is to say of the columns of the file that waits; None where its encoding has to be picked first."""
    try:
        return csv_files.layout(upload.content or b"", encoding=upload.encoding, said=said(upload))
    except AmbiguousEncodingError:
        return None


def said(upload: Upload) -> Said | None:
    """What a person said of the columns of a file, as `csv_files.read` takes it."""
    return (
        Said(upload.header_choice["columns"], upload.header_choice["line"])
        if upload.header_choice
        else None
    )


def _examined(upload: Upload, limit: int) -> Preview:
    return examine(
        upload.batch_id,
        upload.content or b"",
        limit,
        upload.encoding,
        upload.choices,
        said(upload),
    )


def set_columns(
    batch_id: int, upload_id: int, columns: Mapping[int, str], line: int | None, limit: int
) -> None:
    """Says which cell of a row is which field of FIELDS, and on which line the header is, 0 if there is none (E-8).

    Kept with the file, so that the second `Upload` reads it so too. Raises DomainError where no column is one of the
    three, or two are the same.
    """
    upload = _waiting(batch_id, upload_id)
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
    upload.preview = _examined(upload, limit).pack()


def pick_encoding(batch_id: int, upload_id: int, encoding: str, limit: int) -> None:
    """Reads the file that waits in an encoding, picked by a person; choices of members fall away with a new one."""
    upload = _waiting(batch_id, upload_id)
    uploaded_files.ensure_encoding(encoding)
    if encoding != upload.encoding:
        upload.choices = {}
    upload.encoding = encoding
    try:
        upload.preview = _examined(upload, limit).pack()
    except UnclearColumnsError:
        upload.preview = None  # the columns are asked next


def choose_member(
    batch_id: int, upload_id: int, line: int, member_id: int | None, limit: int
) -> None:
    """Says whom a row without a member means, or with None takes that back; the whole file is resolved anew.

    Kept with the file, so that the second `Upload` adds the member. Raises DomainError for a row that needs no choice
    and for a member who is not there.
    """
    upload, before = _previewed(batch_id, upload_id)
    row = next((row for row in before.lines if row.line == line), None)
    if row is None or not (row.chosen or row.kind == identify.LineKind.ERROR):
        raise DomainError("batches.row_settled")
    others = {key: one for key, one in upload.choices.items() if key != str(line)}
    upload.choices = others if member_id is None else others | {str(line): member_id}
    now = _examined(upload, limit)
    if member_id is not None and line not in {row.line for row in now.lines if row.chosen}:
        raise DomainError("batches.choice_invalid")
    marked = {row.line for row in before.lines if row.changed}
    for row in now.lines:
        row.changed = row.line in marked
    upload.preview = now.pack()


def _previewed(batch_id: int, upload_id: int) -> tuple[Upload, Preview]:
    upload = _waiting(batch_id, upload_id)
    if upload.preview is None:
        raise DomainError("csv_files.choose_encoding_first")
    return upload, Preview.unpack(upload.preview)


def _waiting(batch_id: int, upload_id: int) -> Upload:
    """The file of a batch that was not applied yet, with its content and preview, the batch locked."""
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
    """The rows with errors of the file that waits, in its own format plus a column `Message`; None without a file.

    Corrected, or as it is, the file can be uploaded again: the column is ignored then. Cells that a spreadsheet
    would take for formulas are marked, which reading takes back.
    """
    upload = pending(batch_id)
    if upload is None or upload.preview is None or upload.content is None:
        return None
    sheet = csv_files.read(
        upload.content, max_rows=sys.maxsize, encoding=upload.encoding, said=said(upload)
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
    """Drops the file chosen for a batch; without one, nothing. raises NotFoundError where there is no such batch."""
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
    """The latest batch to which the very same file was applied before, or None."""
    return db.session.scalar(
        select(Batch)
        .join(Upload, Upload.batch_id == Batch.id)
        .where(Upload.sha256 == upload.sha256, Upload.applied_at.is_not(None))
        .order_by(Upload.applied_at.desc())
        .limit(1)
    )


def apply(batch_id: int, upload_id: int, limit: int, actor: Actor) -> Applied | None:
    """Adds the good rows of a previewed file to the batch, and lets go of the file.

    Where members changed since the preview so that the result would differ, nothing is added: the preview is made
    anew with the changes marked, and None returned. Raises DomainError when this file was replaced or applied already,
    or is still to be read.
    """
    upload, before = _previewed(batch_id, upload_id)
    now = _examined(upload, limit)
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
