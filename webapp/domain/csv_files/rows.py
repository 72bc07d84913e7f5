"""Convert records to rows: each is valid, has a named problem, or is blank."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from webapp.domain.csv_files.cell_checks import invisible, lookalike
from webapp.domain.csv_files.cell_values import (
    clean,
    clean_all,
    clean_name,
    email,
    is_plain_address,
)
from webapp.domain.csv_files.records import COLUMN_LIMIT, Records, too_many_cells, unreadable
from webapp.domain.csv_files.shape import Shape
from webapp.domain.csv_files.sheet import Row, shown
from webapp.domain.csv_files.spreadsheet_hints import may_be_shortened, shortened
from webapp.domain.errors import DomainError
from webapp.messages import Message, message

BLOCK = 1_000  # records whose cells are cleaned and checked together


def read_rows(shape: Shape, *, max_rows: int) -> tuple[list[Row], int]:
    """Return the rows below the header in file order, and the number of other, blank rows.

    Consumes the shape's records. Raises DomainError if a quotation mark is misplaced, a row has far too many cells,
    there are no rows or more than `max_rows`.
    """
    rows: list[Row] = []
    read = filled = 0
    above = shape.below - 1 - shape.records.line_num
    for number, block in _read_blocks(shape.records, above, shape):
        read += number
        filled += len(block)
        rows += block[: max_rows - len(rows)]
    if filled > max_rows:
        raise DomainError("csv_files.too_many_rows", rows=filled, limit=max_rows)
    if not rows:
        raise DomainError("csv_files.no_rows", line=shape.line, blank=read)
    return rows, read - filled


def _read_blocks(records: Records, above: int, shape: Shape) -> Iterator[tuple[int, list[Row]]]:
    """Yield the number of records in each block, and their rows without blank ones.

    `above` is the number of lines above those that `records` counts. Raises DomainError at a record that can't be read,
    after all rows above it.
    """
    problem: DomainError | None = None
    begin = above + records.line_num + 1
    while problem is None:
        number = 0
        lines: list[int] = []
        block: list[list[str]] = []
        try:
            for cells in islice(records, BLOCK):
                number += 1
                if any(cells):
                    lines.append(begin)
                    block.append(cells)
                begin = above + records.line_num + 1
        except csv.Error as error:
            problem = unreadable(error, begin, above + records.line_num)
        if number:
            yield number, rows_of(lines, block, shape)
        elif problem is None:
            return
    raise problem from None


def read_row(line: int, cells: list[str], shape: Shape) -> Row | None:
    """Convert a record below the header to a row; None if it is blank. Raises DomainError as `rows_of`."""
    return next(iter(rows_of([line], [cells], shape)), None)


def rows_of(lines: list[int], records: list[list[str]], shape: Shape) -> list[Row]:
    """Convert records below the header, which begin at these lines, to rows, without blank ones.

    Missing cells at the end of a row are empty. Raises DomainError if one has far too many.
    """
    width = len(shape.header)
    problems: list[Message | None] = [None] * len(records)
    cells = list(map(shape.fitted, records)) if shape.outer or shape.tail else list(records)
    for place, row in enumerate(cells):
        if len(row) != width:
            cells[place] = row = shape.fitted(records[place])
            problems[place] = _too_many(row, width)
            if len(row) > COLUMN_LIMIT and any(map(str.strip, records[place])):
                raise too_many_cells(lines[place], len(row))
    columns = {
        field: [row[place] if place < len(row) else "" for row in cells]
        for field, place in shape.columns.items()
    }
    rows = _from_columns(lines, columns, cells, problems)
    return [row for row in rows if any(row[1:4]) or row.problem or any(map(clean, row.cells))]


def row_of(
    line: int, values: Mapping[str, str], cells: list[str], problem: Message | None = None
) -> Row:
    """Return a row of these values, each cleaned, with problems and warnings.

    Shared by files and the API, whose members are numbered instead of lines.
    """
    columns = {field: [text] for field, text in values.items()}
    return next(_from_columns([line], columns, [cells], [problem]))


def _from_columns(
    lines: list[int],
    columns: Mapping[str, Sequence[str]],
    cells: list[list[str]],
    problems: list[Message | None],
) -> Iterator[Row]:
    """Clean and check whole columns; only unusual cells are handled one by one."""
    nothing = [""] * len(lines)
    ids = clean_all(columns.get("external_id", nothing), clean)
    usernames = clean_all(columns.get("username", nothing), clean_name)
    emails = list(columns.get("email", nothing))
    email_problems: list[Message | None] = [None] * len(lines)
    no_emails = nothing.copy()
    for place, text in enumerate(emails):
        if text and not is_plain_address(text):
            emails[place], email_problems[place], no_emails[place] = email(text)
    id_text = "".join(ids)
    if not id_text.isascii() or not id_text.isprintable():
        problems = [
            problem or _invisible_problem(external_id)
            for problem, external_id in zip(problems, ids, strict=True)
        ]
    warnings: Iterable[tuple[Message, ...]] = [()] * len(lines)
    named = (*ids, *usernames)
    if may_be_shortened(named) or not "".join((*named, *emails)).isascii():
        warnings = [
            () if problem else tuple(_warnings(*texts))
            for problem, *texts in zip(problems, ids, usernames, emails, strict=True)
        ]
    return map(
        Row, lines, ids, usernames, emails, cells, problems, warnings, email_problems, no_emails
    )


def _too_many(cells: list[str], width: int) -> Message | None:
    """Return a problem if filled cells extend beyond the header, or None."""
    if len(cells) <= width or not any(map(clean, cells[width:])):
        return None
    return message("csv_files.row_width", cells=len(cells), width=width)


def _invisible_problem(external_id: str) -> Message | None:
    """Return a problem if an ID contains an invisible character, or None."""
    if external_id.isascii() and external_id.isprintable():
        return None
    name = invisible(external_id)
    return message("csv_files.id_invisible", character=name) if name else None


def _warnings(external_id: str, username: str, address: str) -> Iterator[Message]:
    for field, text in (("id", external_id), ("username", username)):
        if len(text) > 4 and text[0].isdigit() and shortened(text):
            yield message(f"csv_files.shortened_{field}", value=shown(text))
    for field, text in (("username", username), ("email", address)):
        if not text.isascii() and lookalike(text):
            yield message(f"csv_files.{field}_lookalike", value=shown(text))
