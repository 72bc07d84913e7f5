"""Columns and rows of a CSV file of members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from webapp.domain.csv_files import Row, shown
from webapp.domain.csv_files.cell_values import clean, clean_name
from webapp.domain.csv_files.rows import read_row, row_of
from webapp.domain.csv_files.shape import ChosenColumns, Shape
from webapp.domain.csv_files.streaming import Stream
from webapp.domain.imports import plain_rows
from webapp.domain.imports.plan import ImportRow, RowError, ValidRow
from webapp.messages import message

FIELDS = {
    "external_id": "ID",
    "username": "Username",
    "email": "Registered email",
    "name": "Name",
    "joined": "Joined",
    "status": "Status",
}
"""Fields of a member that an import reads, and their labels."""

CLEARABLE = ("email", "name")
"""Fields that a member can be without."""

MATCHED = ("external_id", "username", "email")
NO_ID = "imports.id_column_missing"

_CALLED = {
    "name": ("name", "fullname", "displayname", "realname"),
    "joined": ("joined", "joinedat", "joinedon", "joindate", "registeredat", "membersince"),
    "status": ("status", "memberstatus", "accountstatus"),
}


def guess(shape: Shape) -> dict[str, int]:
    columns = dict(shape.columns)
    for field, names in _CALLED.items():
        place = shape.place_of(*names)
        if place is not None:
            columns[field] = place
    return {field: columns[field] for field in FIELDS if field in columns}


def matched(columns: Mapping[str, int]) -> dict[str, int]:
    """Keep the columns that identify a member."""
    return {field: place for field, place in columns.items() if field in MATCHED}


def chosen_columns(columns: Mapping[str, int]) -> ChosenColumns:
    """Convert the chosen columns for `stream`; the value of `line` is the header's line, 0 for none."""
    return ChosenColumns(matched(columns), columns.get("line"))


def incoming(
    sheet: Stream, columns: Mapping[str, int]
) -> Iterator[tuple[ImportRow | ValidRow, list[str]]]:
    """Yield the rows to import, each with its original cells; those that need no check are valid already."""
    plain = plain_rows.reader(sheet.shape, columns)
    name, joined, status = (columns.get(field) for field in ("name", "joined", "status"))
    for line, cells in sheet.records:
        if valid := plain(line, cells):
            yield valid, cells
        elif row := read_row(line, cells, sheet.shape):
            texts = (_cell(row.cells, place) for place in (name, joined, status))
            yield incoming_of(row, *texts), row.cells


def incoming_of(row: Row, name: str, joined: str, status: str) -> ImportRow:
    """Convert a row from a file or the API to a row to import."""
    email, warnings = row.email, []
    if row.email_problem or row.no_email:
        problem = row.email_problem or message("imports.not_an_email", value=shown(row.no_email))
        email, warnings = "", [RowError("email", problem, lost=True)]
    warnings += [RowError("", warning) for warning in row.warnings]
    return ImportRow(
        row.line,
        row.external_id,
        row.username,
        email,
        clean_name(name),
        row.problem,
        clean(joined),
        clean(status),
        tuple(warnings),
    )


def row_from_fields(line: int, external_id: str, **fields: str | None) -> ImportRow:
    """Return a row for a member from another system; `fields` are those of FIELDS. None empties a field."""
    texts = {field: text or "" for field, text in fields.items()}
    row = row_of(line, {"external_id": external_id, **texts}, [])
    incoming = incoming_of(row, *(texts.get(field, "") for field in ("name", "joined", "status")))
    cleared = {field for field in CLEARABLE if field in fields and fields[field] is None}
    return incoming._replace(cleared=frozenset(cleared))


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place] if place is not None and place < len(cells) else ""
