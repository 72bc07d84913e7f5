"""Import members on the page: upload a file, choose its columns, do a dry run, and hand it to a worker (D-4)."""

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
    ChosenColumns,
    Layout,
    Reading,
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
from webapp.messages import Message, join, message
from webapp.models import ImportStatus, MemberImport, MemberImportRow, Staff
from webapp.models.member_import import RowKind

_RULERS = " and ".join(role.label for role in roles_that_may(Permission.MANAGE_MEMBER_STATUS))

MOST_ROWS = 100_000  # rows of an uploaded file
LISTED = 20  # imports listed on the page
LINE = "line"  # key in an import's columns for its header's line, 0 for none


def receive(filename: str, data: bytes, actor: Actor) -> MemberImport:
    """Store a file after reading it to its end; not idempotent, imports nothing yet.

    A file whose encoding must be chosen is stored, too. Raises DomainError if it can't be read or is too large.
    """
    if len(data) > FILE_LIMIT:
        raise DomainError("imports.too_large", size=len(data))
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
    if not line:  # a header may have none of the three keys, but a name
        first = stream(io.BytesIO(data), encoding=encoding, any_columns=True).shape
        line = first.line if member_columns.guess(first) else 0
    shape = _measure(made, data, line)
    guessed = member_columns.guess(shape) | seen.columns
    ordered = {field: guessed[field] for field in FIELDS if field in guessed}
    made.columns = ordered | {LINE: line}


def _measure(made: MemberImport, data: bytes, line: int) -> Shape:
    sheet = stream(io.BytesIO(data), encoding=made.encoding, chosen=ChosenColumns({}, line))
    rows = sum(1 for _ in sheet.rows)
    if rows > MOST_ROWS:
        raise DomainError("imports.too_many_rows", rows=rows, limit=MOST_ROWS)
    if not rows:
        raise DomainError("imports.no_rows")
    made.rows, made.header = rows, sheet.shape.header
    return sheet.shape


def readings(import_: MemberImport) -> list[Reading]:
    """Return the possible readings of the file; empty if its encoding is known."""
    return [] if import_.rows else csv_files.readings(import_.content or b"")


def pick_encoding(import_id: int, encoding: str) -> None:
    """Read the file in the chosen encoding and detect its columns again."""
    import_ = _lock(import_id)
    uploaded_files.ensure_encoding(encoding)
    _ensure_status(import_, ImportStatus.CHOSEN, ImportStatus.TRIED, ImportStatus.BROKEN)
    _read(import_, import_.content or b"", encoding)
    begin(import_, ImportStatus.CHOSEN)


def open_file(import_: MemberImport) -> Stream:
    return stream(
        io.BytesIO(import_.content or b""),
        encoding=import_.encoding,
        chosen=member_columns.chosen_columns(import_.columns),
    )


def layout(import_: MemberImport) -> Layout:
    """Return the pending file's columns to choose from."""
    data = import_.content or b""
    chosen = member_columns.chosen_columns(import_.columns)
    shown = csv_files.layout(data, encoding=import_.encoding, chosen=chosen)
    if import_.columns.get(LINE) == 0:
        return replace(shown, reason=csv_files.NONE_OF_THE_THREE)
    used = {field: place for field, place in import_.columns.items() if field in FIELDS}
    return replace(shown, warnings=overlooked(shown.header, used))


def status_refused() -> Message:
    """Return the message for users who may not change members' statuses."""
    return message("imports.status_refused", roles=_RULERS)


def may_set_status(staff: Staff | None) -> bool:
    """True if an import started by this person (or by Laurel itself) may change members' statuses.

    It needs the same permission as a profile's buttons: importing members must not be a way to suspend them.
    """
    return staff is None or may(staff.role, Permission.MANAGE_MEMBER_STATUS)


def dry_run(
    import_id: int, columns: Mapping[str, int], actor: Actor, line: int | None = None
) -> None:
    """Start a dry run with these columns, replacing an earlier one.

    `line` is the header's line, 0 for none; None keeps the detected one. Raises DomainError if no column is the ID, one
    has two meanings, the import has started, or a column of statuses is chosen without the permission to change them.
    """
    import_ = _lock(import_id)
    _ensure_status(
        import_, ImportStatus.CHOSEN, ImportStatus.TRYING, ImportStatus.TRIED, ImportStatus.BROKEN
    )
    if import_.connection_id:
        raise DomainError("imports.not_a_file")
    if not import_.rows:
        raise DomainError("csv_files.choose_encoding_first")
    if line is not None and line != import_.columns.get(LINE):
        _measure(import_, import_.content or b"", line)
    header = import_.header
    chosen = {field: place for field, place in columns.items() if field in FIELDS}
    if not all(0 <= place < len(header) for place in chosen.values()):
        raise DomainError("csv_files.column_unknown")
    if "external_id" not in chosen:
        raise DomainError("imports.id_column_unset", "ID")
    if "status" in chosen and not may_set_status(actor.staff):
        raise DomainError("imports.status_not_allowed", roles=_RULERS)
    places = list(chosen.values())
    for place in places:
        if places.count(place) > 1:
            twice = [FIELDS[field] for field, column in chosen.items() if column == place]
            column = _called(header, place)
            raise DomainError("imports.column_twice", column=column, one=twice[0], other=twice[1])
    where = import_.columns.get(LINE) if line is None else line
    kept = {field: chosen[field] for field in FIELDS if field in chosen}
    import_.columns = kept if where is None else kept | {LINE: where}
    begin(import_, ImportStatus.TRYING)
    job_queue.enqueue_after_commit("import_members", import_.id)


def _called(header: list[str], place: int) -> str | Message:
    return csv_files.shown(header[place].strip()) or message("csv_files.column", number=place + 1)


def carry_out(import_id: int, actor: Actor) -> MemberImport:
    """Start importing a file after its dry run; returns an already started import unchanged."""
    import_ = _lock(import_id)
    if import_.status in (ImportStatus.RUNNING, ImportStatus.DONE):
        return import_
    _ensure_status(import_, ImportStatus.TRIED, ImportStatus.BROKEN)
    if "external_id" not in import_.columns:
        raise DomainError("csv_files.choose_columns_first")
    if "status" in import_.columns and not may_set_status(actor.staff):
        raise DomainError("imports.status_not_allowed_ask", roles=_RULERS)
    begin(import_, ImportStatus.RUNNING)
    import_.run_at, import_.run_by = actor.at, actor.staff_id
    import_.run_address = actor.address[: audit_log.ADDRESS_LENGTH]
    job_queue.enqueue_after_commit("import_members", import_.id)
    return import_


def discard(import_id: int) -> None:
    """Delete a file or what a pull has read, and its dry run. Raises DomainError if the import has started."""
    import_ = _lock(import_id)
    _ensure_status(
        import_,
        ImportStatus.CHOSEN,
        ImportStatus.FETCHING,
        ImportStatus.TRYING,
        ImportStatus.TRIED,
        ImportStatus.BROKEN,
    )
    db.session.execute(delete(MemberImport).where(MemberImport.id == import_.id))


def get(import_id: int, *, content: bool = False) -> MemberImport:
    options = [undefer(MemberImport.content)] if content else []
    return require(MemberImport, import_id, fresh=True, options=options)


def latest() -> list[MemberImport]:
    newest = select(MemberImport).order_by(MemberImport.id.desc())
    return list(db.session.scalars(newest.limit(LISTED)))


def rows(import_: MemberImport, kind: RowKind, number: int = 1) -> Page[MemberImportRow]:
    """Return a page of the stored rows of one kind, in file order; two queries."""
    query = select(MemberImportRow).where(
        MemberImportRow.import_id == import_.id, MemberImportRow.kind == kind
    )
    return paginate(query.order_by(MemberImportRow.line), number)


def _lock(import_id: int) -> MemberImport:
    return require(MemberImport, import_id, lock=True, options=[undefer(MemberImport.content)])


def _ensure_status(import_: MemberImport, *statuses: ImportStatus) -> None:
    """Raise DomainError if the import is in a different state, or its file has been deleted."""
    if import_.status == ImportStatus.RUNNING:
        raise DomainError("imports.in_progress")
    if import_.status == ImportStatus.DONE:
        raise DomainError("imports.already_imported")
    if import_.status not in statuses or (import_.content is None and not import_.connection_id):
        raise DomainError("imports.preview_first")


def begin(import_: MemberImport, status: ImportStatus) -> None:
    import_.status = status
    import_.line = import_.created = import_.changed = import_.unchanged = import_.bad = (
        import_.warned
    ) = 0
    import_.without = {}
    import_.end_lease()
    import_.ended_at = None
    import_.failed_claims, import_.last_error = 0, ""
    db.session.execute(delete(MemberImportRow).where(MemberImportRow.import_id == import_.id))


def bad_rows(import_: MemberImport) -> bytes:
    query = select(MemberImportRow.cells, MemberImportRow.messages).where(
        MemberImportRow.import_id == import_.id, MemberImportRow.kind == RowKind.BAD
    )
    names = {place: FIELDS[field] for field, place in import_.columns.items() if field in FIELDS}
    rows = db.session.execute(query.order_by(MemberImportRow.line))
    return uploaded_files.rows_with_errors(
        import_.header,
        names if import_.columns.get(LINE) == 0 else {},
        [(cells, join(map(Message.from_json, messages))) for cells, messages in rows],
    )
