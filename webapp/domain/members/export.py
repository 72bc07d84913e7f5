"""Export the filtered directory as rows that a batch's upload accepts unchanged (D-2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy import select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.csv_files.columns import FIELDS
from webapp.domain.csv_files.writer import write_csv
from webapp.domain.members.directory import badges_of
from webapp.domain.members.filters import MemberFilters
from webapp.domain.members.search import Search
from webapp.models import Member, MemberStatus

HEADER = (*FIELDS.values(), "Name", "Joined", "Status", "Badges", "Activity")
PAGE = "Member page"  # the column of links, with Open Badges
CHUNK = 2_000  # members in memory at a time

Row = tuple[str, ...]
Urls = Callable[[Sequence[int]], Mapping[int, str]]


def csv_file(filters: MemberFilters, urls: Urls | None = None) -> Iterator[bytes]:
    """Yield the file in parts. `urls` returns links to members' pages: the last column."""
    yield write_csv([(*HEADER, PAGE) if urls else HEADER])
    for chunk in rows(filters, urls):
        yield write_csv(chunk, encoding="utf-8")


def rows(filters: MemberFilters, urls: Urls | None = None) -> Iterator[list[Row]]:
    """Yield members in the order they were added, in chunks: the template's columns, then ones that uploads ignore.

    Names and dates are in the format of imports. Each member appears once even if members change during the export. A
    slow download holds no connection.
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
        pages = urls(ids) if urls else {}
        db.session.rollback()  # releases the connection
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
                *([pages[row.id]] if urls else []),
            )
            for row in members
            if row.status != MemberStatus.ERASED
        ]
