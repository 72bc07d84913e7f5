"""Process an import of members: claim it, import its rows in chunks, release it.

As with batches, the database holds all state, and a worker leases an import under its own name. Every chunk is one
short transaction: members, counts, the rows worth showing, and the last processed line. After a crash the next worker
rereads the file and skips to that line. A dry run writes no members and starts over each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, insert, select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.imports import columns as member_columns
from webapp.domain.imports import import_rows, imports, pulled
from webapp.domain.imports.hash_table import HashTable
from webapp.domain.imports.import_rows import ImportProgress
from webapp.domain.imports.plan import (
    Change,
    DryRunState,
    ExistingMember,
    ImportRow,
    RowError,
    ValidRow,
)
from webapp.domain.normalization import searchable
from webapp.messages import Message
from webapp.models import ImportStatus, MemberImport, MemberImportRow, MemberStatus, Origin, Staff
from webapp.models.member_import import WORKING, RowKind

CLAIMS = 5  # of an import, without progress
REFUSED = RowError("", Message("imports.row_refused"))
EXAMPLES = 200  # created and changed rows that a dry run stores to show

Rows = list[tuple[ImportRow | ValidRow, list[str]]]  # with their original cells
File = Iterator[tuple[ImportRow | ValidRow, list[str]]]


@dataclass
class ImportReader:
    rows: File
    seen: HashTable = field(default_factory=HashTable)
    imagined: DryRunState | None = None
    postponed: dict[str, tuple[ImportRow | ValidRow, list[str]]] = field(
        default_factory=dict
    )  # by ID
    last: bool = False  # whether the last rows returned were postponed ones

    def next(self, number: int) -> Rows:
        """Return the next rows; after the end of the file, all postponed ones; then none."""
        rows = list(islice(self.rows, number))
        if not rows and self.postponed:
            rows, self.postponed, self.last = list(self.postponed.values()), {}, True
        return rows


def waiting() -> list[int]:
    return list(db.session.scalars(select(MemberImport.id).where(_claimable())))


def claim(import_id: int, owner: str, lease: float, at: datetime) -> MemberImport | None:
    """Lease a waiting import for `lease` seconds; one of several callers gets it, the others get None.

    After five claims in a row without progress it ends with the last failure.
    """
    failed_claims = MemberImport.failed_claims + 1
    import_ = leases.acquire(
        MemberImport, import_id, _claimable(), owner, lease, failed_claims=failed_claims
    )
    if import_ is None:
        return None
    if import_.failed_claims > CLAIMS:
        if import_.status == ImportStatus.RUNNING and import_.processed:
            counts = {"created": import_.created, "updated": import_.changed}
            counts |= {"unchanged": import_.unchanged, "left_out": import_.bad}
            audit_log.write(_act(import_, at), "members.import_stopped", "members", **counts)
        _end(import_, ImportStatus.BROKEN, at)
        return None
    if import_.status == ImportStatus.TRYING:
        import_.line = import_.created = import_.changed = import_.unchanged = import_.bad = 0
        import_.warned, import_.without = 0, {}
        db.session.execute(delete(MemberImportRow).where(MemberImportRow.import_id == import_.id))
    return import_


def read(import_id: int, owner: str) -> ImportReader:
    """Open the rows of an import that this worker leases, at the next one. Raises LeaseLostError."""
    import_ = imports.get(import_id, content=True)
    if import_.lease_owner != owner or (import_.content is None and not import_.connection_id):
        raise leases.LeaseLostError
    rows = (
        pulled.rows(import_.id)
        if import_.connection_id
        else member_columns.incoming(imports.open_file(import_), import_.columns)
    )
    if import_.status == ImportStatus.TRYING:
        return ImportReader(rows, imagined=DryRunState())
    reader = ImportReader(rows)
    if import_.line:
        waiting = set(db.session.scalars(_postponed(import_.id)))
        passed = ImportProgress(seen=reader.seen)
        for row, cells in rows:
            if row.line > import_.line:
                reader.rows = _with_first((row, cells), rows)
                break
            for sound in import_rows.valid_rows([row], passed):
                if row.line in waiting:
                    reader.postponed[sound.external_id] = row, cells
    return reader


def _postponed(import_id: int) -> Select[int]:
    """Select the lines of postponed rows."""
    of_this = MemberImportRow.import_id == import_id
    return select(MemberImportRow.line).where(of_this, MemberImportRow.kind == RowKind.LATER)


def _with_first(first: tuple[ImportRow | ValidRow, list[str]], rest: File) -> File:
    yield first
    yield from rest


def take(
    import_id: int,
    owner: str,
    lease: float,
    reader: ImportReader,
    rows: Rows,
    at: datetime,
    *,
    refused: bool = False,
) -> bool:
    """Import some rows; True if there may be more. Raises LeaseLostError.

    Raises DBAPIError and writes nothing if the database rejects the rows; retry with fewer, and skip a single `refused`
    row.
    """
    import_ = leases.renew(MemberImport, import_id, owner, lease)
    if not rows:
        _finish(import_, at)
        return False
    done = ImportProgress(
        created=import_.created,
        updated=import_.changed,
        unchanged=import_.unchanged,
        bad=import_.bad,
        seen=reader.seen if reader.imagined is not None else reader.seen.copy(),
        awaited=set(reader.postponed),
        imagined=reader.imagined,
        examples=EXAMPLES if reader.imagined is not None else 0,
    )
    if import_.only_links:
        done.unchanged += pulled.link(import_, [row.line for row, _ in rows], at)
    elif refused:
        done.leave_out(rows[0][0].line, [REFUSED])
    elif reader.last:
        import_rows.import_again((row for row, _ in rows), _act(import_, at), done)
    else:
        import_rows.import_rows((row for row, _ in rows), _act(import_, at), done)
    _keep(import_, done, rows)
    if import_.connection_id and not import_.only_links and reader.imagined is None:
        pulled.link(import_, [row.line for row, _ in rows], at)
    if reader.last:
        _forget_postponed(import_, rows)
    else:
        import_.line = rows[-1][0].line
    if import_.status == ImportStatus.RUNNING:  # an interrupted dry run starts over: no progress
        import_.failed_claims = 0
    db.session.flush()
    reader.seen = done.seen
    by_line = {row.line: (row, cells) for row, cells in rows}
    reader.postponed |= {row.external_id: by_line[row.line] for row in done.postponed}
    return True


def _keep(import_: MemberImport, done: ImportProgress, rows: Rows) -> None:
    """Store the counts and the rows worth showing."""
    cells = {row.line: texts for row, texts in rows}
    kept: list[dict[str, Any]] = [
        _row(import_, line, RowKind.BAD, cells[line], [], problems)
        for line, problems in done.problems
    ]
    kept += [_changed(import_, change) for change in done.changes]
    kept += [
        _row(import_, line.line, RowKind.LATER, cells[line.line], []) for line in done.postponed
    ]
    room = max(0, import_rows.KEPT_PROBLEMS - import_.warned)
    kept += [
        _row(import_, line, RowKind.WARNED, cells[line], [], notes)
        for line, notes in done.notes[:room]
    ]
    if kept:
        db.session.execute(insert(MemberImportRow), kept)
    import_.created, import_.changed = done.created, done.updated
    import_.unchanged, import_.bad = done.unchanged, done.bad
    import_.warned += done.warned
    import_.without = dict(Counter(import_.without) + done.without)


def _forget_postponed(import_: MemberImport, rows: Rows) -> None:
    lines = [row.line for row, _ in rows]
    of_these = MemberImportRow.import_id == import_.id, MemberImportRow.kind == RowKind.LATER
    db.session.execute(
        delete(MemberImportRow).where(*of_these, in_array(MemberImportRow.line, lines))
    )


def _changed(import_: MemberImport, change: Change) -> dict[str, Any]:
    kind = RowKind.CHANGED if change.before else RowKind.CREATED
    before = _texts(change.before) if change.before else []
    return _row(import_, change.line, kind, _texts(change.after), before)


def _texts(member: ExistingMember) -> list[str]:
    """Return the member's fields as text, in the order of `columns.FIELDS`."""
    joined = f"{member.joined_at:%Y-%m-%d}" if member.joined_at else ""
    status = MemberStatus(member.status).label
    return [member.external_id, member.username, member.email, member.name, joined, status]


def _row(
    import_: MemberImport,
    line: int,
    kind: RowKind,
    cells: list[str],
    before: list[str],
    messages: Iterable[Message] = (),
) -> dict[str, Any]:
    return {
        "import_id": import_.id,
        "line": line,
        "kind": kind,
        # Characters that no database can store are shown as unreadable.
        "cells": [_storable(cell) for cell in cells],
        "before": before,
        "messages": [message.to_json() for message in messages],
    }


def _storable(text: str) -> str:
    """Replace characters that no database can store with `�`."""
    return searchable(text).encode("utf-8", "replace").decode("utf-8")


def _finish(import_: MemberImport, at: datetime) -> None:
    if import_.status == ImportStatus.TRYING:
        _end(import_, ImportStatus.TRIED, at)
        return
    _end(import_, ImportStatus.DONE, at)
    import_.content = None
    if import_.connection_id:
        pulled.finish(import_, at)
    done = ImportProgress(import_.created, import_.changed, import_.unchanged, import_.bad)
    import_rows.record_import(done, _act(import_, at))


def _act(import_: MemberImport, at: datetime) -> Actor:
    person = db.session.get(Staff, import_.run_by) if import_.run_by else None
    return Actor(at, Origin.WORKER, person, address=import_.run_address)


def _end(import_: MemberImport, status: ImportStatus, at: datetime) -> None:
    import_.status, import_.ended_at = status, at
    import_.end_lease()
    import_.failed_claims = 0
    db.session.flush()


def _claimable() -> ColumnElement[bool]:
    return and_(MemberImport.status.in_(WORKING), leases.is_free(MemberImport))
