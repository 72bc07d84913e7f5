"""Reading an uploaded CSV file: bytes in, a sheet of rows or a refusal in the manager's words out.

Pure: it knows no members, no database and no clock. What it does not do on purpose: guess an
encoding, repair a row, or merge rows (that is done by member, when they are looked up).
"""

from webapp.domain.refusals import Refused
from webapp.domain.spreadsheets.columns import FIELDS
from webapp.domain.spreadsheets.decoding import FILE_LIMIT, NAMES, OtherEncoding, decode
from webapp.domain.spreadsheets.encodings import ENCODINGS, Reading, readings
from webapp.domain.spreadsheets.rows import read_rows
from webapp.domain.spreadsheets.shape import SEPARATORS, Said, Unclear, first_lines, read_shape
from webapp.domain.spreadsheets.sheet import Row, Sheet, shown
from webapp.domain.spreadsheets.text import lookalike

__all__ = [
    "ENCODINGS",
    "FILE_LIMIT",
    "NAMES",
    "TEMPLATE",
    "OtherEncoding",
    "Reading",
    "Refused",
    "Row",
    "Said",
    "Sheet",
    "Unclear",
    "lookalike",
    "read",
    "readings",
    "shown",
]

TEMPLATE = (";".join(FIELDS.values()) + "\r\n").encode("utf-8-sig")
"""The file that `Download the template` gives (B-9)."""


def read(data: bytes, *, max_rows: int, encoding: str = "", said: Said | None = None) -> Sheet:
    """Return the CSV file in `data` as a sheet of at most `max_rows` rows.

    `encoding` is what somebody picked for a file that does not say; without it such a file is OtherEncoding. `said` is
    what somebody said of its columns; without it a file that has no known header, or a column twice, is Unclear.

    Every record below the header is one of `rows`, with or without a problem, or counted in
    `blank`. Raises Refused, whose message is for the manager, if the file as a whole cannot be
    read. Takes time in proportion to the bytes: 5 MB of anything stay under two seconds.
    """
    text, encoding = decode(data, encoding)
    shape = read_shape(text, said=said)
    rows, blank = read_rows(shape, max_rows=max_rows)
    used = set(shape.columns.values())
    separator = SEPARATORS[shape.separator] if len(shape.header) > 1 else "one column"
    return Sheet(
        how=f"{separator}, {NAMES[encoding]}, {shape.place}",
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
        beginning=[(line, shown(written, 80)) for line, written in first_lines(text)],
    )
