"""Reading a file too large to hold: the same header, rows and sentences, a row at a time."""

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
from webapp.domain.csv_files.shape import Said, Shape, read_shape
from webapp.domain.csv_files.sheet import Row
from webapp.domain.errors import DomainError
from webapp.messages import Message, message

HEAD = 65_536
"""Bytes in which the header must be."""


@dataclass(frozen=True)
class Stream:
    shape: Shape
    rows: Iterator[Row]
    how: Message | None = None
    """The format: `semicolon-separated, UTF-8, header in row 1`."""

    @property
    def remarks(self) -> list[Message]:
        """What to tell whoever gave the file and can't be asked: rows above the header, columns not used."""
        read = [message("csv_files.format", details=self.how)] if self.shape.skipped else []
        return read + self.shape.warnings


def stream(
    file: BinaryIO,
    *,
    encoding: str = "",
    said: Said | None = None,
    any_columns: bool = False,
) -> Stream:
    """Open a CSV file of any length at its beginning, holding no more of it than a row.

    `encoding` and `said` are what somebody picked for it: how it is read, and in which cells the three known
    fields are; `any_columns` takes every header. Raises DomainError if it is another kind of file or has no usable
    header; so may `rows`, where a row further down cannot be read, after all rows above it. `rows` has none that is
    blank.
    """
    head = file.read(HEAD)
    if not head:
        raise DomainError("csv_files.empty")
    stated, mark = detect(head)
    encoding = encoding if encoding and not mark else stated
    # What is cut off at the end of the head is read again below.
    text = head[mark:].decode(encoding, "replace").lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    if len(head) == HEAD:
        text = text[: max(text.rfind("\n"), text.rfind("\r"))]
    shape = read_shape(text, any_columns=any_columns, said=said)
    file.seek(mark)
    return Stream(shape, _rows(file, encoding, shape), shape.format(NAMES[encoding]))


def _rows(file: BinaryIO, encoding: str, shape: Shape) -> Iterator[Row]:
    lines = io.TextIOWrapper(file, encoding, newline="")
    above = end = shape.below - 1
    records = shape.reader(lines)
    try:
        for _ in islice(lines, above):
            pass
        for cells in records:
            begin, end = end + 1, above + records.line_num
            if row := read_row(begin, cells, shape):
                yield row
    except csv.Error as error:
        raise unreadable(error, end + 1, above + records.line_num) from None
    except UnicodeDecodeError:
        raise DomainError(
            "csv_files.wrong_encoding_after", encoding=NAMES[encoding], line=end
        ) from None
    finally:
        with suppress(ValueError):  # it may be closed by now; if not, that is left to the caller
            lines.detach()
