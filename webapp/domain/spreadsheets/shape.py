"""Text to shape: where the header is, what separates the cells, which columns are used."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
from unicodedata import category, normalize

from webapp.domain.refusals import Refused
from webapp.domain.spreadsheets.formulas import plain_cell
from webapp.domain.spreadsheets.sheet import line_after, shown

SEPARATORS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "pipes"}

LINE_LIMIT = 1_048_576
"""Most lines, blank ones too: what a worksheet of Excel or LibreOffice holds."""

COLUMN_LIMIT = 1_000
"""Most cells in the header or in a row."""

FIELDS = {"external_id": "ID", "username": "Username", "email": "Registered email"}

SYNONYMS = {
    "id": "external_id",
    "userid": "external_id",
    "username": "username",
    "login": "username",
    "email": "email",
    "emailaddress": "email",
    "registeredemail": "email",
}
"""What a header means, by its key (B-10)."""

HINT = re.compile(r'\s*"?sep=(.)"?[ ;,\t|]*', re.IGNORECASE)
"""The line by which Excel is told the separator."""

LONGEST_NAME = 100


class Records(Protocol):
    """A csv reader: records from a stream, and how many lines of it have been read."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


@dataclass(frozen=True)
class Shape:
    """What is known of a file once its header is read."""

    header: list[str]
    columns: dict[str, int]
    separator: str
    newline: str
    line: int
    """Physical line on which the header begins."""
    below: int
    """Physical line on which the first record below the header begins."""
    records: Records
    """They stand below the header."""

    def place_of(self, *names: str) -> int | None:
        """Return in which cell the first column is that is called so, such as `name`; by a header's key."""
        places = [place for place, written in enumerate(self.header) if key_of(written) in names]
        return places[0] if places else None


def read_shape(text: str, *, any_columns: bool = False) -> Shape:
    """Return the shape of a file's text; raises Refused if no usable header can be made out.

    With `any_columns` a header is usable whatever its columns are called: a person says what they are.
    """
    lines = line_after(text)
    if lines > LINE_LIMIT:
        raise Refused(
            f"The file has {lines:,} lines, more than a spreadsheet holds ({LINE_LIMIT:,}). "
            "Split it into several files, or delete the blank lines."
        )
    stream = io.StringIO(text, newline="")
    offset, line, hint = _header_place(stream)
    separator = hint or _separator(stream, offset)
    stream.seek(offset)
    records = _records(stream, separator)
    try:
        header = next(records)
    except csv.Error as error:
        raise Refused(unreadable(error, line, line - 1 + records.line_num)) from None
    below = line + records.line_num
    end = text[offset : stream.tell()][-2:]
    newline = end if end == "\r\n" else end[-1] if end[-1] in "\r\n" else "\r\n"
    columns = _first_columns(header, line) if any_columns else _columns(header, line)
    return Shape(header, columns, separator, newline, line, below, records)


def _separator(stream: io.StringIO, offset: int) -> str:
    """Return the separator under which the header at the offset has most known columns.

    Where it has none under any, the one that is most often in its first line.
    """
    stream.seek(offset)
    best, most = max(SEPARATORS, key=stream.readline().count), (0, 0)
    for separator in SEPARATORS:
        stream.seek(offset)
        try:
            header = next(_records(stream, separator))
        except csv.Error:
            continue
        known = sum(key_of(name) in SYNONYMS for name in header)
        if known and (known, len(header)) > most:
            best, most = separator, (known, len(header))
    return best


def unreadable(error: csv.Error, begin: int, end: int) -> str:
    """Return the sentence for a record, begun and given up on these lines, that csv refuses."""
    reached = f", which reaches to line {end}" if end > begin else ""
    if "field larger than" in str(error):
        limit = f"a cell of more than {csv.field_size_limit():,} characters"
        if end > begin:
            return (
                f"Line {begin} begins {limit}{reached}. Probably a quotation mark is opened there "
                "and never closed. Delete it, or write it twice if it belongs to the text."
            )
        return f"Line {begin} has {limit}. Shorten or delete it."
    if "expected after" in str(error):
        return (
            f"In the row of line {begin}{reached}, text follows a closing quotation mark. Write "
            "every quotation mark that belongs to the text twice, or delete it."
        )
    return (
        f"A quotation mark opened in the row of line {begin} is never closed, so all rows after it "
        "would be lost. Delete it, or write it twice if it belongs to the text."
    )


def _records(stream: io.StringIO, separator: str) -> Records:
    """Return a strict reader: the lenient one lets a lone quotation mark swallow rows unseen."""
    return csv.reader(stream, delimiter=separator, strict=True)


def _header_place(stream: io.StringIO) -> tuple[int, int, str]:
    """Return the header's offset and physical line, and the separator that a hint line states."""
    offset, hint = 0, ""
    for number, line in enumerate(stream, start=1):
        stated = HINT.fullmatch(line.rstrip("\r\n")) if not hint and len(line) < 50 else None
        if stated:
            hint = stated[1]
            if hint not in SEPARATORS:
                raise Refused(
                    f'Line {number} says that "{shown(hint)}" separates the cells. '
                    "Use semicolons, commas, tabs or pipes."
                )
        # A line of separators and empty quoted cells is blank whatever separates its cells.
        elif line.strip(' ;,|"\t').strip() or line.count('"') % 2:
            return offset, number, hint
        offset += len(line)
    raise Refused("The file is empty: it has only blank lines. Write a header and rows into it.")


def _first_columns(header: list[str], line: int) -> dict[str, int]:
    """Return in which cell each known field is for the first time."""
    if len(header) > COLUMN_LIMIT:
        raise Refused(too_many_cells(line, len(header)))
    columns: dict[str, int] = {}
    for index, name in enumerate(header):
        if field := SYNONYMS.get(key_of(name)):
            columns.setdefault(field, index)
    return columns


def _columns(header: list[str], line: int) -> dict[str, int]:
    """Return in which cell each known field is; raises Refused if none is, or one is twice."""
    if len(header) > COLUMN_LIMIT:
        raise Refused(too_many_cells(line, len(header)))
    columns: dict[str, int] = {}
    for index, name in enumerate(header):
        field = SYNONYMS.get(key_of(name))
        if field in columns:
            other = columns[field]
            raise Refused(
                f"The column {FIELDS[field]} is there twice in line {line}: "
                f'"{shown(header[other].strip())}" (column {other + 1}) and '
                f'"{shown(name.strip())}" (column {index + 1}). Delete or rename one of them.'
            )
        if field:
            columns[field] = index
    if not columns:
        some = ", ".join(f'"{shown(name.strip())}"' for name in header[:8])
        more = f" and {len(header) - 8} more" if len(header) > 8 else ""
        raise Refused(
            "The file has none of the columns ID, Username, Registered email; it needs at least "
            f"one. Line {line} was read as the header: {some}{more}. Write the names of the "
            "columns into the first row, or start from the template."
        )
    return columns


def too_many_cells(line: int, cells: int) -> str:
    """Return the sentence for a header or row with more cells than are read."""
    return (
        f"Line {line} has {cells:,} columns; at most {COLUMN_LIMIT:,} are read. "
        "Delete the columns that are not needed."
    )


def key_of(name: str) -> str:
    """Return a header's key: NFKC, casefold, without spaces, `_`, dashes and the invisible."""
    if len(name) > LONGEST_NAME:
        return ""
    folded = normalize("NFKC", plain_cell(name)).casefold()
    return "".join(
        char for char in folded if category(char) not in ("Zs", "Zl", "Zp", "Cc", "Cf", "Pd", "Pc")
    )
