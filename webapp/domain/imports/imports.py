"""Members from a file on the page: chosen, its columns said, tried, and handed to a worker (D-4)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import delete, select
from sqlalchemy.orm import undefer

from webapp.database import db
from webapp.domain import csv_files
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.csv_files import (
    FILE_LIMIT,
    AmbiguousEncodingError,
    Layout,
    Reading,
    Said,
    uploaded_files,
)
from webapp.domain.csv_files.columns import overlooked
from webapp.domain.csv_files.shape import Shape
from webapp.domain.csv_files.streaming import Stream, stream
from webapp.domain.errors import DomainError
from webapp.domain.imports import columns as member_columns
from webapp.domain.imports.columns import FIELDS
from webapp.domain.lookup import require
from webapp.domain.pagination import Page, paginate
from webapp.domain.permissions import Permission, may, roles_that_may
from webapp.infrastructure import job_queue
from webapp.models import ImportStatus, MemberImport, MemberImportRow, Staff
from webapp.models.member_import import RowKind

_RULERS = " and ".join(role.label for role in roles_that_may(Permission.MANAGE_MEMBER_STATUS))
STATUS_REFUSED = f"Only {_RULERS} may change members' statuses."
MOST_ROWS = 100_000  # of a file that is given to the page
LISTED = 20  # imports that the page shows
LINE = "line"  # among the columns of an import: on which line its header is, 0 if it has none
ELSE = "Larger files are for whoever runs Laurel: “laurel members import FILE” takes any."


def receive(filename: str, data: bytes, actor: Actor) -> MemberImport:
    """Keeps a file that can be read to its end; each call makes an import, and nothing of it is imported yet.

    One whose encoding has to be picked first waits for that. Raises DomainError for a file that can't be read, and
    for one that is too large for the page.
    """
    if len(data) > FILE_LIMIT:
        raise DomainError(f"The file has {len(data):,} bytes; the page takes up to 5 MB. {ELSE}")
    made = MemberImport(
        **uploaded_files.file_columns(filename, data),
        status=ImportStatus.CHOSEN,
        created_at=actor.at,
    )
    try:
        _read(made, data, "")
    except AmbiguousEncodingError:
        if not csv_files.readings(data):
            raise
    db.session.add(made)
    db.session.flush()
    return made


def _read(made: MemberImport, data: bytes, encoding: str) -> None:
    seen = csv_files.layout(data, encoding=encoding)
    made.encoding = encoding
    line = seen.line
    if not line:  # a header may have none of the three, and a name
        first = stream(io.BytesIO(data), encoding=encoding, any_columns=True).shape
        line = first.line if member_columns.guess(first) else 0
    shape = _measure(made, data, line)
    guessed = member_columns.guess(shape) | seen.columns
    ordered = {field: guessed[field] for field in FIELDS if field in guessed}
    made.columns = ordered | {LINE: line}


def _measure(made: MemberImport, data: bytes, line: int) -> Shape:
    sheet = stream(io.BytesIO(data), encoding=made.encoding, said=Said({}, line))
    rows = sum(1 for _ in sheet.rows)
    if rows > MOST_ROWS:
        raise DomainError(f"The file has {rows:,} rows; the page takes up to {MOST_ROWS:,}. {ELSE}")
    if not rows:
        raise DomainError(
            "The file has no data rows below the header. Write one row for each member."
        )
    made.rows, made.header = rows, sheet.shape.header
    return sheet.shape


def readings(found: MemberImport) -> list[Reading]:
    """How the file can be read, for a person to pick; none where that is known."""
    return [] if found.rows else csv_files.readings(found.content or b"")


def pick_encoding(import_id: int, encoding: str) -> None:
    """Reads the file in an encoding that a person picked; its columns are guessed anew."""
    found = _lock(import_id)
    uploaded_files.ensure_encoding(encoding)
    _want(found, ImportStatus.CHOSEN, ImportStatus.TRIED, ImportStatus.BROKEN)
    _read(found, found.content or b"", encoding)
    _begin(found, ImportStatus.CHOSEN)


def opened(found: MemberImport) -> Stream:
    return stream(
        io.BytesIO(found.content or b""),
        encoding=found.encoding,
        said=member_columns.said(found.columns),
    )


def layout(found: MemberImport) -> Layout:
    """What there is to say of the columns of the file that waits."""
    data = found.content or b""
    said = member_columns.said(found.columns)
    shown = csv_files.layout(data, encoding=found.encoding, said=said)
    if found.columns.get(LINE) == 0:
        return replace(shown, reason=csv_files.NONE_OF_THE_THREE)
    used = {field: place for field, place in found.columns.items() if field in FIELDS}
    return replace(shown, warnings=overlooked(shown.header, used))


def may_set_status(staff: Staff | None) -> bool:
    """Whether an import that this person begins may change members' statuses; the console itself may.

    Importing a status does what the buttons of a profile do, so it needs the same permission: somebody who may import
    members must not suspend them by a file.
    """
    return staff is None or may(staff.role, Permission.MANAGE_MEMBER_STATUS)


def dry_run(
    import_id: int, columns: Mapping[str, int], actor: Actor, line: int | None = None
) -> None:
    """Has a worker find out what the file would do, with these columns; said again, it begins anew.

    `line` says on which line the header is, 0 if there is none; None leaves it where it was found. Raises DomainError
    where no column is the ID, one is two things, or the file is carried out already; and for a column of statuses,
    where who acts may not change them.
    """
    found = _lock(import_id)
    _want(found, ImportStatus.CHOSEN, ImportStatus.TRYING, ImportStatus.TRIED, ImportStatus.BROKEN)
    if not found.rows:
        raise DomainError("Pick first how the file is to be read.")
    if line is not None and line != found.columns.get(LINE):
        _measure(found, found.content or b"", line)
    header = found.header
    said = {field: place for field, place in columns.items() if field in FIELDS}
    if not all(0 <= place < len(header) for place in said.values()):
        raise DomainError("The file has no such column.")
    if "external_id" not in said:
        raise DomainError(
            "Say which column is the ID: by it members are created and updated.", "ID"
        )
    if "status" in said and not may_set_status(actor.staff):
        raise DomainError(f"{STATUS_REFUSED} Set Status to “Not in the file”.")
    places = list(said.values())
    for place in places:
        if places.count(place) > 1:
            twice = [FIELDS[field] for field, one in said.items() if one == place]
            raise DomainError(
                f"The column “{_called(header, place)}” can't be both {twice[0]} and {twice[1]}."
            )
    where = found.columns.get(LINE) if line is None else line
    kept = {field: said[field] for field in FIELDS if field in said}
    found.columns = kept if where is None else kept | {LINE: where}
    _begin(found, ImportStatus.TRYING)
    job_queue.enqueue_after_commit("import_members", found.id)


def _called(header: list[str], place: int) -> str:
    return csv_files.shown(header[place].strip()) or f"Column {place + 1}"


def carry_out(import_id: int, actor: Actor) -> MemberImport:
    """Hands a file that was tried to the workers; said again, it answers with the import as it stands."""
    found = _lock(import_id)
    if found.status in (ImportStatus.RUNNING, ImportStatus.DONE):
        return found
    _want(found, ImportStatus.TRIED, ImportStatus.BROKEN)
    if "external_id" not in found.columns:
        raise DomainError("Say first which column is what.")
    if "status" in found.columns and not may_set_status(actor.staff):
        raise DomainError(
            f"{STATUS_REFUSED} Ask one of them to import this file, or choose “Other columns” and leave Status out."
        )
    _begin(found, ImportStatus.RUNNING)
    found.run_at, found.run_by = actor.at, actor.staff_id
    found.run_address = actor.address[: audit_log.ADDRESS_LENGTH]
    job_queue.enqueue_after_commit("import_members", found.id)
    return found


def discard(import_id: int) -> None:
    """Lets go of a file and of what its dry run showed; one that is being carried out, or was, is refused."""
    found = _lock(import_id)
    _want(found, ImportStatus.CHOSEN, ImportStatus.TRYING, ImportStatus.TRIED, ImportStatus.BROKEN)
    db.session.execute(delete(MemberImport).where(MemberImport.id == found.id))


def get(import_id: int, *, content: bool = False) -> MemberImport:
    options = [undefer(MemberImport.content)] if content else []
    return require(MemberImport, import_id, fresh=True, options=options)


def latest() -> list[MemberImport]:
    newest = select(MemberImport).order_by(MemberImport.id.desc())
    return list(db.session.scalars(newest.limit(LISTED)))


def rows(found: MemberImport, kind: RowKind, number: int = 1) -> Page[MemberImportRow]:
    """A page of the rows of one kind that are kept, in the order of the file; two queries."""
    query = select(MemberImportRow).where(
        MemberImportRow.import_id == found.id, MemberImportRow.kind == kind
    )
    return paginate(query.order_by(MemberImportRow.line), number)


def _lock(import_id: int) -> MemberImport:
    return require(MemberImport, import_id, lock=True, options=[undefer(MemberImport.content)])


def _want(found: MemberImport, *statuses: ImportStatus) -> None:
    """Raises DomainError where an import is in another state than these, or its file is gone."""
    if found.status == ImportStatus.RUNNING:
        raise DomainError("This file is being imported.")
    if found.status == ImportStatus.DONE:
        raise DomainError("This file was imported already. Choose it again to import it once more.")
    if found.status not in statuses or found.content is None:
        raise DomainError("Try the file first: the dry run says what would change.")


def _begin(found: MemberImport, status: ImportStatus) -> None:
    found.status = status
    found.line = found.created = found.changed = found.unchanged = found.bad = found.warned = 0
    found.without = {}
    found.end_lease()
    found.ended_at = None
    found.failed_claims, found.last_error = 0, ""
    db.session.execute(delete(MemberImportRow).where(MemberImportRow.import_id == found.id))


def bad_rows(found: MemberImport) -> bytes:
    query = select(MemberImportRow.cells, MemberImportRow.message).where(
        MemberImportRow.import_id == found.id, MemberImportRow.kind == RowKind.BAD
    )
    names = {place: FIELDS[field] for field, place in found.columns.items() if field in FIELDS}
    rows = db.session.execute(query.order_by(MemberImportRow.line))
    return uploaded_files.rows_with_errors(
        found.header, names if found.columns.get(LINE) == 0 else {}, rows.all()
    )
