"""Read records strictly, and explain those that can't be read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from webapp.domain.errors import DomainError
from webapp.messages import Message

SEPARATORS = {
    ";": Message("csv_files.semicolons"),
    ",": Message("csv_files.commas"),
    "\t": Message("csv_files.tabs"),
    "|": Message("csv_files.pipes"),
}

COLUMN_LIMIT = 1_000
"""Maximum number of cells in a header or row."""

_SPACE_AFTER_QUOTE = re.compile(r'"[ \xa0]+(?=[;,\t|]|[\r\n]|$)')


class Records(Protocol):
    """A CSV reader over a stream that counts the lines read."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


def read_records(
    lines: Iterable[str], separator: str, spaced: bool = False, loose: bool = False
) -> Records:
    """Return a strict reader: a lenient one silently swallows rows after a lone quotation mark."""
    if loose:
        lines = (_SPACE_AFTER_QUOTE.sub('"', line) for line in lines)
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=spaced)


def first_record(lines: list[str], separator: str) -> list[str] | None:
    """Return the first record, or None if it can't be read."""
    for spaced, loose in ((True, False), (False, False), (True, True)):
        try:
            return next(read_records(lines, separator, spaced, loose))
        except (csv.Error, StopIteration):
            continue
    return None


def single_record(text: str, separator: str) -> list[str] | None:
    return first_record(text.splitlines(keepends=True), separator)


def detect_quoting(window: str, separator: str, cut: bool) -> tuple[bool, bool]:
    """Return whether the start of a file has spaces before opening and after closing quotation marks."""
    before = re.search(rf'(?:^|[\r\n]|{re.escape(separator)}) +"', window) is not None
    behind = re.search(rf'"[ \xa0]+(?:{re.escape(separator)}|[\r\n]|$)', window) is not None
    if not before and not behind:
        return False, False
    if cut:
        window = window[: max(window.rfind("\n"), window.rfind("\r")) + 1]
    for spaced, loose in ((before, False), (before, behind), (False, False)):
        if _readable(window, separator, spaced, loose, cut):
            return spaced, loose
    return False, False


def _readable(window: str, separator: str, spaced: bool, loose: bool, cut: bool) -> bool:
    try:
        for _ in read_records(io.StringIO(window, newline=""), separator, spaced, loose):
            pass
    except csv.Error as error:
        return cut and "unexpected end" in str(error)
    return True


def unreadable(error: csv.Error, begin: int, end: int) -> DomainError:
    """Return the error for a record between these lines that csv rejects."""
    continued = end if end > begin else 0
    if "field larger than" in str(error):
        code = "csv_files.cell_too_long_open" if continued else "csv_files.cell_too_long"
        return DomainError(code, line=begin, end=continued, limit=csv.field_size_limit())
    if "expected after" in str(error):
        return DomainError("csv_files.text_after_quote", line=begin, end=continued)
    return DomainError("csv_files.quote_open", line=begin)


def too_many_cells(line: int, cells: int) -> DomainError:
    """Return the error for a header or row with too many cells."""
    return DomainError("csv_files.too_many_columns", line=line, columns=cells, limit=COLUMN_LIMIT)
