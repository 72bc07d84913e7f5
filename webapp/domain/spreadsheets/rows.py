"""Records to rows: each one is read, has a problem that is named, or is blank."""

import csv

from webapp.domain.refusals import Refused
from webapp.domain.spreadsheets.formulas import plain_cell
from webapp.domain.spreadsheets.shape import COLUMN_LIMIT, Shape, too_many_cells, unreadable
from webapp.domain.spreadsheets.sheet import Row, shown
from webapp.domain.spreadsheets.text import invisible, lookalike, shortened

LABELS = {"external_id": "The ID", "username": "The username", "email": "The email"}


def read_rows(shape: Shape, *, max_rows: int) -> tuple[list[Row], int]:
    """Return the rows below the header in file order, and how many more were blank.

    Raises Refused if a quotation mark is out of place, a row has far too many cells, there is no
    row, or there are more than `max_rows`. Consumes the shape's records.
    """
    rows: list[Row] = []
    blank = beyond = 0
    records, end = shape.records, shape.below - 1
    above = end - records.line_num
    width, fields = len(shape.header), list(shape.columns.items())  # from left to right
    try:
        for cells in records:
            begin, end = end + 1, above + records.line_num
            if not cells or not any(map(str.strip, cells)):
                blank += 1
            elif len(cells) > COLUMN_LIMIT:
                raise Refused(too_many_cells(begin, len(cells)))
            elif len(rows) < max_rows:
                rows.append(read_row(begin, cells, width, fields))
            else:
                beyond += 1
    except csv.Error as error:
        raise Refused(unreadable(error, end + 1, above + records.line_num)) from None
    if beyond:
        raise Refused(
            f"The file has {len(rows) + beyond:,} rows; at most {max_rows:,} can be read. "
            "Split it into several files."
        )
    if not rows:
        blanks = f", only {blank:,} blank ones" if blank else ""
        raise Refused(
            f"The file has no data rows below the header in line {shape.line}{blanks}. "
            "Write one row for each member."
        )
    return rows, blank


def read_row(line: int, cells: list[str], width: int, fields: list[tuple[str, int]]) -> Row:
    """Return the record as a row; `width` is the header's, `fields` where each field is."""
    values = {
        field: plain_cell(cells[index].strip()).strip() if index < len(cells) else ""
        for field, index in fields
    }
    together = "".join(values.values())
    plain = together.isascii() and together.isprintable()  # as nearly all are: seen, and itself
    problem = _ragged(cells, width, last_used=fields[-1][1] if fields else -1)
    if not plain:
        problem = problem or _unseen(values)
    return Row(
        line,
        values.get("external_id", ""),
        values.get("username", ""),
        values.get("email", ""),
        cells,
        problem,
        "" if problem else _warning(values, plain),
    )


def _ragged(cells: list[str], width: int, last_used: int) -> str:
    """Return the problem of a row whose cells cannot be told to their columns, or "".

    Empty cells at the end do no harm, nor do missing ones of columns that are not used. A used
    one missing is no empty one: it is how a row torn by a line break looks.
    """
    if last_used < len(cells) <= width or (
        len(cells) > width and not any(map(str.strip, cells[width:]))
    ):
        return ""
    if cells[0].strip() == "\x1a":
        return _named("The row", "\x1a")
    has = "1 cell" if len(cells) == 1 else f"{len(cells):,} cells"
    return f"The row has {has}, the header has {width:,}. Check its separators and quotation marks."


def _unseen(values: dict[str, str]) -> str:
    """Return the problem of a row with characters that nobody can see in a used cell, or ""."""
    for field, value in values.items():
        if invisible(value):
            return _named(LABELS[field], value)
    return ""


def _named(where: str, value: str) -> str:
    return f"{where} contains a character that cannot be seen: {invisible(value)}. Delete it."


def _warning(values: dict[str, str], plain: bool) -> str:
    """Return what to look at in a row that can be read, or "". A plain one has no letters but a to z."""
    warnings = []
    external_id = values.get("external_id", "")
    if len(external_id) > 4 and shortened(external_id):
        warnings.append(
            f'The ID "{shown(external_id)}" looks like a number shortened by a spreadsheet. '
            "Format the column as text and write the whole number."
        )
    for field in () if plain else ("username", "email"):
        value = values.get(field, "")
        if not value.isascii() and lookalike(value):
            warnings.append(
                f'{LABELS[field]} "{shown(value)}" mixes Latin letters with Cyrillic or Greek ones '
                "that look alike. Check that it is the right member."
            )
    return " ".join(warnings)
