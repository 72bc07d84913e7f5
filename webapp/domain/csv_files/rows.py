"""Convert records to rows: each is valid, has a named problem, or is blank."""

import csv
from collections.abc import Iterator, Mapping

from webapp.domain.csv_files.cell_checks import invisible, lookalike
from webapp.domain.csv_files.cell_values import Address, clean, clean_name, email
from webapp.domain.csv_files.records import COLUMN_LIMIT, too_many_cells, unreadable
from webapp.domain.csv_files.shape import Shape
from webapp.domain.csv_files.sheet import Row, shown
from webapp.domain.csv_files.spreadsheet_hints import shortened
from webapp.domain.errors import DomainError
from webapp.messages import Message, message

NOBODY = Address("")


def read_rows(shape: Shape, *, max_rows: int) -> tuple[list[Row], int]:
    """Return the rows below the header in file order, and the number of other, blank rows.

    Consumes the shape's records. Raises DomainError if a quotation mark is misplaced, a row has far too many cells,
    there are no rows or more than `max_rows`.
    """
    rows: list[Row] = []
    blank = beyond = 0
    records, end = shape.records, shape.below - 1
    above = end - records.line_num
    try:
        for cells in records:
            begin, end = end + 1, above + records.line_num
            row = read_row(begin, cells, shape)
            if row is None:
                blank += 1
            elif len(rows) < max_rows:
                rows.append(row)
            else:
                beyond += 1
    except csv.Error as error:
        raise unreadable(error, end + 1, above + records.line_num) from None
    if beyond:
        raise DomainError("csv_files.too_many_rows", rows=len(rows) + beyond, limit=max_rows)
    if not rows:
        raise DomainError("csv_files.no_rows", line=shape.line, blank=blank)
    return rows, blank


def read_row(line: int, cells: list[str], shape: Shape) -> Row | None:
    """Convert a record below the header to a row; None if it is blank.

    Missing cells at the end of a row are empty. Raises DomainError if it has far too many.
    """
    if not any(map(str.strip, cells)):
        return None
    cells = shape.fitted(cells)
    if len(cells) > COLUMN_LIMIT:
        raise too_many_cells(line, len(cells))
    values = {field: cells[place] for field, place in shape.columns.items() if place < len(cells)}
    row = row_of(line, values, cells, _too_many(cells, len(shape.header)))
    if not any(row[1:4]) and not row.problem and not any(map(clean, cells)):
        return None
    return row


def row_of(
    line: int, values: Mapping[str, str], cells: list[str], problem: Message | None = None
) -> Row:
    """Return a row of these values, each cleaned, with problems and warnings.

    Shared by files and the API, whose members are numbered instead of lines.
    """
    external_id = clean(values["external_id"]) if "external_id" in values else ""
    username = clean_name(values["username"]) if "username" in values else ""
    address = email(values["email"]) if "email" in values else NOBODY
    if not external_id.isascii() or not external_id.isprintable():
        problem = problem or _invisible_problem(external_id)
    return Row(
        line,
        external_id,
        username,
        address.text,
        cells,
        problem,
        () if problem else tuple(_warnings(external_id, username, address.text)),
        address.problem,
        address.stands_for_none,
    )


def _too_many(cells: list[str], width: int) -> Message | None:
    """Return a problem if filled cells extend beyond the header, or None."""
    if len(cells) <= width or not any(map(clean, cells[width:])):
        return None
    return message("csv_files.row_width", cells=len(cells), width=width)


def _invisible_problem(external_id: str) -> Message | None:
    """Return a problem if an ID contains an invisible character, or None."""
    if name := invisible(external_id):
        return message("csv_files.id_invisible", character=name)

    return None


def _warnings(external_id: str, username: str, address: str) -> Iterator[Message]:
    for field, text in (("id", external_id), ("username", username)):
        if len(text) > 4 and text[0].isdigit() and shortened(text):
            yield message(f"csv_files.shortened_{field}", value=shown(text))
    for field, text in (("username", username), ("email", address)):
        if not text.isascii() and lookalike(text):
            yield message(f"csv_files.{field}_lookalike", value=shown(text))
