"""Read a file too large for memory row by row, with the same header, rows and messages."""

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from webapp.domain.csv_files.decoding import NAMES, detect
from webapp.domain.csv_files.records import unreadable
from webapp.domain.csv_files.rows import read_row
from webapp.domain.csv_files.shape import ChosenColumns, Shape, read_shape
from webapp.domain.csv_files.sheet import Row
from webapp.domain.errors import DomainError
from webapp.messages import Message, message

HEAD = 65_536
"""Number of bytes that must contain the header."""


@dataclass(frozen=True)
class Stream:
    shape: Shape
    records: Iterator[tuple[int, list[str]]]
    """The records below the header with their physical lines; can be iterated once, like `rows`, which reads them."""
    how: Message | None = None
    """The format: `semicolon-separated, UTF-8, header in row 1`."""

    @property
    def rows(self) -> Iterator[Row]:
        """The rows in file order, without blank ones."""
        read = (read_row(line, cells, self.shape) for line, cells in self.records)
        return (row for row in read if row is not None)

    @property
    def remarks(self) -> list[Message]:
        """Return remarks for a user who can't be asked: rows above the header, unused columns."""
        read = [message("csv_files.format", details=self.how)] if self.shape.skipped else []
        return read + self.shape.warnings


def stream(
    file: BinaryIO,
    *,
    encoding: str = "",
    chosen: ChosenColumns | None = None,
    any_columns: bool = False,
) -> Stream:
    """Open a CSV file of any length, reading one row at a time into memory.

    `encoding` and `chosen` are a person's choice of encoding and columns; `any_columns` accepts every header. Raises
    DomainError if it is a different type of file or has no usable header. Iterating `rows` raises it at a row that
    can't be read, after all rows above it.
    """
    head = file.read(HEAD)
    if not head:
        raise DomainError("csv_files.empty")
    stated, mark = detect(head)
    encoding = encoding if encoding and not mark else stated
    # A character cut off at the end of the head is read again below.
    text = head[mark:].decode(encoding, "replace").lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    if len(head) == HEAD:
        text = text[: max(text.rfind("\n"), text.rfind("\r"))]
    shape = read_shape(text, any_columns=any_columns, chosen=chosen)
    file.seek(mark)
    return Stream(shape, _records(file, encoding, shape), shape.format(NAMES[encoding]))


def _records(file: BinaryIO, encoding: str, shape: Shape) -> Iterator[tuple[int, list[str]]]:
    lines = io.TextIOWrapper(file, encoding, newline="")
    above = end = shape.below - 1
    records = shape.reader(lines)
    try:
        for _ in islice(lines, above):
            pass
        for cells in records:
            begin, end = end + 1, above + records.line_num
            yield begin, cells
    except csv.Error as error:
        raise unreadable(error, end + 1, above + records.line_num) from None
    except UnicodeDecodeError:
        raise DomainError(
            "csv_files.wrong_encoding_after", encoding=NAMES[encoding], line=end
        ) from None
    finally:
        with suppress(ValueError):  # the caller may have closed it; if not, it will
            lines.detach()
