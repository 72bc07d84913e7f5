"""A CSV file of members: which of its columns is what, and its rows as an import takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from webapp.domain.merging import Incoming
from webapp.domain.spreadsheets.cells import clean_name
from webapp.domain.spreadsheets.shape import Said, Shape
from webapp.domain.spreadsheets.stream import Stream

FIELDS = {
    "external_id": "ID",
    "username": "Username",
    "email": "Registered email",
    "name": "Name",
    "joined": "Joined",
}
"""What an import reads of a member, and what people call it."""

MATCHED = ("external_id", "username", "email")
NO_ID = "The file has no column ID, by which members are created and updated."

_CALLED = {
    "name": ("name", "fullname", "displayname", "realname"),
    "joined": ("joined", "joinedat", "joinedon", "joindate", "registeredat", "membersince"),
}


def guess(shape: Shape) -> dict[str, int]:
    """In which cell each field of FIELDS seems to be, by the names of the columns; those not found are absent."""
    columns = dict(shape.columns)
    for field, names in _CALLED.items():
        place = shape.place_of(*names)
        if place is not None:
            columns[field] = place
    return {field: columns[field] for field in FIELDS if field in columns}


def matched(columns: Mapping[str, int]) -> dict[str, int]:
    """Of the columns those by which a row is known."""
    return {field: place for field, place in columns.items() if field in MATCHED}


def said(columns: Mapping[str, int]) -> Said:
    """What a person said of the columns, for `stream`."""
    return Said(matched(columns))


def incoming(sheet: Stream, columns: Mapping[str, int]) -> Iterator[tuple[Incoming, list[str]]]:
    """The rows of a file as an import takes them, each with its cells as they stand there."""
    name, joined = columns.get("name"), columns.get("joined")
    for row in sheet.rows:
        yield (
            Incoming(
                row.line,
                row.external_id,
                row.username,
                row.email,
                _cell(row.cells, name),
                row.problem,
                _cell(row.cells, joined),
            ),
            row.cells,
        )


def _cell(cells: list[str], place: int | None) -> str:
    return clean_name(cells[place]) if place is not None and place < len(cells) else ""
