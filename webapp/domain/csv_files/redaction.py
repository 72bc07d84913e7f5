"""Blank out rows of a stored CSV file without renumbering the remaining lines."""

import csv
import io
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable

from webapp.domain.csv_files.decoding import decode
from webapp.domain.csv_files.shape import ChosenColumns, read_shape
from webapp.domain.errors import DomainError

MARKS = {"utf-16-le": BOM_UTF16_LE, "utf-16-be": BOM_UTF16_BE}


def without(
    data: bytes,
    encoding: str,
    unwanted: Callable[[list[str], list[str]], bool],
    chosen: ChosenColumns | None = None,
) -> bytes:
    """Return the file with every row blanked for which `unwanted(cells, header)` is true.

    Returns the same bytes if there is none. Raises DomainError if the file can't be read or its header matches.
    """
    text, stated = decode(data, encoding)
    shape = read_shape(text, any_columns=True, chosen=chosen)
    if unwanted(shape.header, []):
        raise DomainError("csv_files.header_not_kept")
    lines = list(io.StringIO(text, newline=""))
    blanked, begin = False, shape.below - 1
    records = shape.reader(iter(lines[begin:]))
    first = begin
    try:
        for cells in records:
            end = first + records.line_num
            if unwanted(shape.fitted(cells), shape.header):
                lines[begin:end] = [_ending(line) for line in lines[begin:end]]
                blanked = True
            begin = end
    except csv.Error as error:
        raise DomainError("csv_files.unreadable_to_end") from error
    if not blanked:
        return data
    codec = "utf-8" if stated == "utf-8-sig" else stated
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}".encode() if stated == "utf-8-sig" else b""
    return MARKS.get(stated, mark) + "".join(lines).encode(codec)


def _ending(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
