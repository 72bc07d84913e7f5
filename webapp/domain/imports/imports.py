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
from webapp.messages import Message, join, message
from webapp.models import ImportStatus, MemberImport, MemberImportRow, Staff
from webapp.models.member_import import RowKind

_RULERS = " and ".join(role.label for role in roles_that_may(Permission.MANAGE_MEMBER_STATUS))

MOST_ROWS = 100_000  # of a file that is given to the page
LISTED = 20  # imports that the page shows
LINE = "line"  # among the columns of an import: on which line its header is, 0 if it has none


def receive(filename: str, data: bytes, actor: Actor) -> MemberImport:
    """Keeps a file that can be read to its end; each call makes an import, and nothing of it is imported yet.

    One whose encoding has to be picked first waits for that. Raises DomainError for a file that can't be read, and
    for one that is too large for the page.
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
        raise DomainError("imports.too_many_rows", rows=rows, limit=MOST_ROWS)
    if not rows:
        raise DomainError("imports.no_rows")
    made.rows, made.header = rows, sheet.shape.header
    return sheet.shape


def readings(import_: MemberImport) -> list[Reading]:
    """How the file can be read, for a person to pick; none where that is known."""
    return [] if import_.rows else csv_files.readings(import_.content or b"")


def pick_encoding(import_id: int, encoding: str) -> None:
    """Reads the file in an encoding that a person picked; its columns are guessed anew."""
    import_ = _lock(import_id)
    uploaded_files.ensure_encoding(encoding)
    _want(import_, ImportStatus.CHOSEN, ImportStatus.TRIED, ImportStatus.BROKEN)
    _read(import_, import_.content or b"", encoding)
    _begin(import_, ImportStatus.CHOSEN)


def opened(import_: MemberImport) -> Stream:
    return stream(
        io.BytesIO(import_.content or b""),
        encoding=import_.encoding,
        said=member_columns.said(import_.columns),
    )


def layout(import_: MemberImport) -> Layout:
    """What there is to say of the columns of the file that waits."""
    data = import_.content or b""
    columns_said = member_columns.said(import_.columns)
    shown = csv_files.layout(data, encoding=import_.encoding, said=columns_said)
    if import_.columns.get(LINE) == 0:
        return replace(shown, reason=csv_files.NONE_OF_THE_THREE)
    used = {field: place for field, place in import_.columns.items() if field in FIELDS}
    return replace(shown, warnings=overlooked(shown.header, used))


def status_refused() -> Message:
    """Say who can change members' statuses, for somebody who can't."""
    return message("imports.status_refused", roles=_RULERS)


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
    import_ = _lock(import_id)
    _want(
        import_, ImportStatus.CHOSEN, ImportStatus.TRYING, ImportStatus.TRIED, ImportStatus.BROKEN
    )
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
    _begin(import_, ImportStatus.TRYING)
    job_queue.enqueue_after_commit("import_members", import_.id)


def _called(header: list[str], place: int) -> str | Message:
    return csv_files.shown(header[place].strip()) or message("csv_files.column", number=place + 1)


def carry_out(import_id: int, actor: Actor) -> MemberImport:
    """Hands a file that was tried to the workers; said again, it answers with the import as it stands."""
    import_ = _lock(import_id)
    if import_.status in (ImportStatus.RUNNING, ImportStatus.DONE):
        return import_
    _want(import_, ImportStatus.TRIED, ImportStatus.BROKEN)
    if "external_id" not in import_.columns:
        raise DomainError("csv_files.choose_columns_first")
    if "status" in import_.columns and not may_set_status(actor.staff):
        raise DomainError("imports.status_not_allowed_ask", roles=_RULERS)
    _begin(import_, ImportStatus.RUNNING)
    import_.run_at, import_.run_by = actor.at, actor.staff_id
    import_.run_address = actor.address[: audit_log.ADDRESS_LENGTH]
    job_queue.enqueue_after_commit("import_members", import_.id)
    return import_


def discard(import_id: int) -> None:
    """Lets go of a file and of what its dry run showed; one that is being carried out, or was, is refused."""
    import_ = _lock(import_id)
    _want(
        import_, ImportStatus.CHOSEN, ImportStatus.TRYING, ImportStatus.TRIED, ImportStatus.BROKEN
    )
    db.session.execute(delete(MemberImport).where(MemberImport.id == import_.id))


def get(import_id: int, *, content: bool = False) -> MemberImport:
    options = [undefer(MemberImport.content)] if content else []
    return require(MemberImport, import_id, fresh=True, options=options)


def latest() -> list[MemberImport]:
    newest = select(MemberImport).order_by(MemberImport.id.desc())
    return list(db.session.scalars(newest.limit(LISTED)))


def rows(import_: MemberImport, kind: RowKind, number: int = 1) -> Page[MemberImportRow]:
    """A page of the rows of one kind that are kept, in the order of the file; two queries."""
    query = select(MemberImportRow).where(
        MemberImportRow.import_id == import_.id, MemberImportRow.kind == kind
    )
    return paginate(query.order_by(MemberImportRow.line), number)


def _lock(import_id: int) -> MemberImport:
    return require(MemberImport, import_id, lock=True, options=[undefer(MemberImport.content)])


def _want(import_: MemberImport, *statuses: ImportStatus) -> None:
    """Raises DomainError where an import is in another state than these, or its file is gone."""
    if import_.status == ImportStatus.RUNNING:
        raise DomainError("imports.in_progress")
    if import_.status == ImportStatus.DONE:
        raise DomainError("imports.already_imported")
    if import_.status not in statuses or import_.content is None:
        raise DomainError("imports.preview_first")


def _begin(import_: MemberImport, status: ImportStatus) -> None:
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
