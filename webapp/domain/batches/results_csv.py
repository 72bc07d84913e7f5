"""Export the result of every entry of a batch as CSV (B-39)."""

from __future__ import annotations

from webapp.database import db
from webapp.domain.batches import entries
from webapp.domain.csv_files import writer
from webapp.domain.csv_files.columns import FIELDS
from webapp.models import Batch, Entry, Member

HEADER = (*FIELDS.values(), "Status", "Reason", "Time")


def rows(batch: Batch) -> bytes:
    """Return all entries in the order added: the template's columns, status, reason and UTC time (ISO 8601); one query.

    Uploading the file again changes nothing: its members are already in the batch, and erased members match no one.
    """
    found = db.session.scalars(entries.with_members(batch).order_by(Entry.id))
    rows = (_row(entry, entry.member, batch) for entry in found)
    return writer.write_csv([HEADER, *rows])


def _row(entry: Entry, member: Member, batch: Batch) -> tuple[str, ...]:
    time = f"{entry.decided_at:%Y-%m-%dT%H:%M:%SZ}" if entry.decided_at else ""
    return (
        member.shown_id,
        member.username,
        member.email or "",
        entry.status_in(batch),
        entry.reason,
        time,
    )
