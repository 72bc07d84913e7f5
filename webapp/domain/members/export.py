"""The directory, or what filters leave of it, as rows for a file that a batch takes unchanged (D-2)."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.csv_files.columns import FIELDS
from webapp.domain.members.directory import badges_of
from webapp.domain.members.filters import MemberFilters
from webapp.domain.members.search import Search
from webapp.models import Member, MemberStatus

HEADER = (*FIELDS.values(), "Name", "Joined", "Status", "Badges", "Activity")
CHUNK = 2_000  # members that are in memory at once

Row = tuple[str, ...]


def rows(filters: MemberFilters) -> Iterator[list[Row]]:
    """Every member, as they came in, a chunk at a time: the template's columns first, then what an upload ignores.

    Names and days are as an import takes them. Each member is there once, also where members change meanwhile; whoever
    downloads slowly holds no connection.
    """
    for ids in Search(filters).chunks(CHUNK):
        held = badges_of(ids)
        columns = (
            Member.id,
            Member.external_id,
            Member.username,
            Member.email,
            Member.name,
            Member.joined_at,
            Member.status,
            Member.activity,
        )
        members = db.session.execute(
            select(*columns).where(in_array(Member.id, ids)).order_by(Member.id)
        ).all()
        db.session.rollback()  # ends the reading
        yield [
            (
                row.external_id,
                row.username,
                row.email or "",
                row.name,
                f"{row.joined_at:%Y-%m-%dT%H:%M:%SZ}",
                MemberStatus(row.status).label,
                str(held.get(row.id, 0)),
                str(row.activity),
            )
            for row in members
            if row.status != MemberStatus.ERASED
        ]
