"""Erase a person from stored files: files for batches with their previews, and files to be imported."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import undefer

from webapp.database import db, execute_rowcount
from webapp.database.arrays import in_array
from webapp.domain import csv_files
from webapp.domain.batches import preview, uploads
from webapp.domain.batches.preview import Preview
from webapp.domain.csv_files.redaction import without
from webapp.domain.errors import DomainError
from webapp.domain.imports.columns import FIELDS, matched
from webapp.domain.members.personal_data import PersonalData
from webapp.infrastructure import job_queue
from webapp.messages import Message, join
from webapp.models import ImportStatus, MemberImport, MemberImportRow, Upload
from webapp.models.member_import import ACTIVE, WORKING, RowKind

File = TypeVar("File", Upload, MemberImport)

SCRUBBED = "file.csv"  # replaces a file name that contains a person's name
MANY = 10**9  # rows; accepts every file that was accepted before


def forget_uploads(person: PersonalData) -> None:
    """Blank out the person's rows in pending files for batches, and remove them from chosen members."""
    for upload_id, filename in db.session.execute(select(Upload.id, Upload.filename)).all():
        if person.in_words(filename):
            execute_rowcount(update(Upload).where(Upload.id == upload_id).values(filename=SCRUBBED))
    pending = select(Upload.id).where(Upload.applied_at.is_(None))
    for upload in _one_by_one(pending, Upload, Upload.content, Upload.preview):
        data = upload.content or b""
        choices = {
            line: member_id for line, member_id in upload.choices.items() if member_id != person.id
        }
        try:
            if upload.preview is None:  # the encoding must still be chosen
                if person.in_bytes(data):
                    raise DomainError("csv_files.file_ambiguous")
                continue
            columns_sent = uploads.chosen_columns(upload)
            kept = without(data, upload.encoding, person.in_row, columns_sent)
            if kept == data and choices == upload.choices and not _shows(upload.preview, person):
                continue
            sheet = csv_files.read(
                kept, max_rows=MANY, encoding=upload.encoding, chosen=columns_sent
            )
            upload.content, upload.choices = kept, choices
            upload.preview = preview.resolve(sheet, upload.batch_id, choices).pack()
        except DomainError:  # unreadable without their rows
            db.session.delete(upload)


def _one_by_one(ids: Select[int], kind: type[File], *columns: Any) -> Iterator[File]:
    """Yield the complete rows with these IDs, each flushed and released before the next: one may hold megabytes."""
    options = [undefer(column) for column in columns]
    for row_id in db.session.scalars(ids.order_by(kind.id)).all():
        row = db.session.get(kind, row_id, options=options, populate_existing=True)
        if row is None:  # deleted concurrently
            continue
        yield row
        db.session.flush()
        if row in db.session:
            db.session.expunge(row)


def _shows(packed: bytes, person: PersonalData) -> bool:
    seen = Preview.unpack(packed)
    return any(line.member_id == person.id or person.in_words(line.note) for line in seen.lines)


def lock_imports() -> None:
    """Lock the imports and pulls in progress, and take the imports from their workers, which start over."""
    active = select(MemberImport).where(MemberImport.status.in_(ACTIVE))
    for member_import in db.session.scalars(active.order_by(MemberImport.id).with_for_update()):
        if member_import.status in WORKING:
            member_import.end_lease()
            job_queue.enqueue_after_commit("import_members", member_import.id)


def forget_imports(person: PersonalData) -> None:
    """Blank out the person's rows in import files, and delete the stored results of dry runs and imports.

    A file with a dry run needs a new one; a worker that is processing it rereads it.
    """
    for member_import in _one_by_one(select(MemberImport.id), MemberImport, MemberImport.content):
        if person.in_words(member_import.filename):
            member_import.filename = SCRUBBED
        data = member_import.content
        if data is None:
            if person.in_row(member_import.header, []):
                member_import.header = []
            continue
        try:
            if not member_import.rows:  # the encoding must still be chosen
                if person.in_bytes(data):
                    raise DomainError("csv_files.file_ambiguous")
                continue
            member_import.content = without(
                data, member_import.encoding, partial(_in_row, person, member_import.columns)
            )
        except DomainError:
            db.session.delete(member_import)
            continue
        if member_import.content != data and member_import.status == ImportStatus.TRIED:
            member_import.status = ImportStatus.CHOSEN
    _forget_rows(person)


def _in_row(
    person: PersonalData, columns: dict[str, int], cells: list[str], header: list[str]
) -> bool:
    """True if `Person.in_row` is, or a column that was mapped to a key contains the person's."""
    keys = set(matched(columns).values())
    return person.in_row(
        cells, ["" if place in keys else name for place, name in enumerate(header)]
    )


def _forget_rows(person: PersonalData) -> None:
    """Erase the person from stored rows of imports; holds a few thousand in memory at a time."""
    columns = (
        MemberImportRow.id,
        MemberImportRow.cells,
        MemberImportRow.before,
        MemberImportRow.messages,
        MemberImportRow.kind,
        MemberImport.header,
        MemberImport.columns,
    )
    called = list(FIELDS.values())
    theirs, of_others = [], []
    query = select(*columns).join(MemberImport, MemberImport.id == MemberImportRow.import_id)
    rows = db.session.execute(query, execution_options={"yield_per": 2_000})
    for row_id, cells, before, messages, kind, header, stated in rows:
        if kind in (RowKind.BAD, RowKind.WARNED, RowKind.LATER):
            is_theirs = _in_row(person, stated, [*map(str, cells)], header)
        else:
            is_theirs = any(person.in_row([*map(str, texts)], called) for texts in (cells, before))
        if is_theirs:
            theirs.append(row_id)
        elif person.in_words(join(map(Message.from_json, messages))):
            of_others.append(row_id)
    execute_rowcount(delete(MemberImportRow).where(in_array(MemberImportRow.id, theirs)))
    execute_rowcount(
        update(MemberImportRow)
        .where(in_array(MemberImportRow.id, of_others))
        .values(messages=[Message("imports.any_taken").to_json()])
    )
