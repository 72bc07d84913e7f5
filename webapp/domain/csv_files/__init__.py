"""Read an uploaded CSV file: turn bytes into a sheet of rows or an error for the manager.

Pure: no members, no database, no clock. It deliberately doesn't guess encodings, repair rows or merge rows (rows are
merged by member when they are matched).
"""

import csv
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from webapp.domain.csv_files.columns import FIELDS, known
from webapp.domain.csv_files.decoding import FILE_LIMIT, NAMES, AmbiguousEncodingError, decode
from webapp.domain.csv_files.encodings import ENCODINGS, Reading, readings
from webapp.domain.csv_files.header import first_lines
from webapp.domain.csv_files.rows import read_row, read_rows
from webapp.domain.csv_files.shape import ChosenColumns, UnclearColumnsError, read_shape
from webapp.domain.csv_files.sheet import Row, Sheet, shown
from webapp.messages import Message

__all__ = [
    "ENCODINGS",
    "FIELDS",
    "FILE_LIMIT",
    "NONE_OF_THE_THREE",
    "SAMPLES",
    "TEMPLATE",
    "AmbiguousEncodingError",
    "ChosenColumns",
    "Layout",
    "Reading",
    "Row",
    "Sheet",
    "UnclearColumnsError",
    "layout",
    "read",
    "readings",
    "shown",
]

TEMPLATE = (";".join(FIELDS.values()) + "\r\n").encode("utf-8-sig")
"""The file behind `Download the template` (B-9)."""

NONE_OF_THE_THREE = Message("csv_files.none_of_three")
SAMPLES = 3  # rows shown next to the columns


def read(
    data: bytes, *, max_rows: int, encoding: str = "", chosen: ChosenColumns | None = None
) -> Sheet:
    """Return the CSV file in `data` as a sheet of at most `max_rows` rows.

    `encoding` and `chosen` are a person's choice of encoding and columns. Without `encoding`, a file that doesn't state
    its own raises AmbiguousEncodingError; without `chosen`, a file without a known header or with a repeated column
    raises UnclearColumnsError.

    Every record below the header is in `rows`, with or without a problem, or counted in `blank`. Raises DomainError,
    with a message for the manager, if the file can't be read. Linear: under two seconds for any 5 MB.
    """
    text, encoding = decode(data, encoding)
    shape = read_shape(text, chosen=chosen)
    rows, blank = read_rows(shape, max_rows=max_rows)
    used = set(shape.columns.values())
    return Sheet(
        how=shape.format(NAMES[encoding]),
        header=shape.header,
        columns=shape.columns,
        line=shape.line,
        ignored=[
            name.strip() or f"Column {index + 1}"
            for index, name in enumerate(shape.header)
            if index not in used and (name.strip() or not shape.line)
        ],
        rows=rows,
        blank=blank,
        separator=shape.separator,
        encoding=encoding,
        newline=shape.newline,
        warnings=shape.warnings,
        beginning=_beginning(text),
    )


@dataclass(frozen=True)
class Layout:
    header: list[str]
    columns: dict[str, int]
    line: int
    """The header's line; 0 if there is none."""
    beginning: list[tuple[int, str]]
    """The lines among which to look for a header."""
    samples: list[list[str]]
    how: Message
    """The format: `semicolon-separated, UTF-8, header in row 1`."""
    warnings: list[Message]
    reason: Message | None
    """Why a person has to match the columns, or None."""


def layout(data: bytes, *, encoding: str = "", chosen: ChosenColumns | None = None) -> Layout:
    """Return a file's columns to choose from; a file without a known header gets no guesses.

    Raises DomainError if the file can't be read at all.
    """
    text, encoding = decode(data, encoding)
    reason = None
    try:
        shape = read_shape(text, chosen=chosen)
    except UnclearColumnsError as unclear:
        shape = read_shape(text, any_columns=True)
        reason = unclear.text if shape.columns else NONE_OF_THE_THREE
        single = {field: at[0] for field, at in known(shape.header).items() if len(at) == 1}
        # The header has a repeated column, or there is none.
        shape = read_shape(text, chosen=ChosenColumns(single, shape.line if shape.columns else 0))
    samples: list[list[str]] = []
    with suppress(csv.Error):  # reading the whole file raises the error
        for cells in islice(shape.records, 20):
            if len(samples) < SAMPLES and (row := read_row(0, cells, shape)):
                samples.append(row.cells)
    return Layout(
        header=shape.header,
        columns=shape.columns,
        line=shape.line,
        beginning=_beginning(text),
        samples=samples,
        how=shape.format(NAMES[encoding]),
        warnings=shape.warnings,
        reason=reason,
    )


def _beginning(text: str) -> list[tuple[int, str]]:
    return [(line, shown(written, 80)) for line, written in first_lines(text)]
