"""The shape of a file: its header, separator and used columns.

Shared by all inputs. Lines above the header are skipped and reported. Without a header, or with a repeated column, it
raises UnclearColumnsError, and a person has to choose the columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from webapp.domain.csv_files.columns import FIELDS, key_of, known, overlooked
from webapp.domain.csv_files.header import (
    HEADER_WITHIN,
    WINDOW,
    Line,
    Place,
    check_width,
    chosen_header,
    find_header,
    first_content,
    likeliest_separator,
    opening_lines,
)
from webapp.domain.csv_files.records import (
    COLUMN_LIMIT,
    SEPARATORS,
    Records,
    detect_quoting,
    read_records,
    single_record,
    too_many_cells,
    unreadable,
)
from webapp.domain.csv_files.sheet import line_after, shown
from webapp.domain.errors import DomainError
from webapp.messages import Message, message

LINE_LIMIT = 1_048_576
"""Maximum number of lines, including blank ones: the size of an Excel or LibreOffice worksheet."""


class UnclearColumnsError(DomainError):
    """A person has to choose the columns: the file has no known header, or repeats a column."""


@dataclass(frozen=True)
class ChosenColumns:
    """The columns and header line that a person chose."""

    columns: Mapping[str, int]
    """Cell of each field; absent fields are not used."""
    line: int | None = None
    """The header's line: 0 if there is none, None to detect it."""


@dataclass(frozen=True)
class Shape:
    """What reading the header reveals about a file."""

    header: list[str]
    """The header's original cells; all "" if there is no header."""
    columns: dict[str, int]
    separator: str
    newline: str
    line: int
    """Physical line where the header begins; 0 if there is none."""
    below: int
    """Physical line where the first record below the header begins."""
    skipped: int
    """Number of lines above the header if any of them has content, otherwise 0."""
    records: Records
    """Records below the header, not yet `fitted`."""
    outer: str = ""
    """Separator outside of cells that contain whole wrapped lines, if any."""
    spaced: bool = False
    """Whether there are spaces before opening quotation marks."""
    loose: bool = False
    """Whether there are spaces after closing quotation marks."""
    tail: str = ""
    """Separators of a different kind at the end of the header and rows."""
    warnings: list[Message] = field(default_factory=list)

    def place_of(self, *names: str) -> int | None:
        """Return the first cell whose column has one of these names, such as `name`, compared by `key_of`."""
        places = [place for place, written in enumerate(self.header) if key_of(written) in names]
        return places[0] if places else None

    def reader(self, lines: Iterable[str]) -> Records:
        """Return a reader of the file's lines; its records still need `fitted`."""
        return read_records(lines, self.outer or self.separator, self.spaced, self.loose)

    def fitted(self, cells: list[str]) -> list[str]:
        """Return a record's cells, unwrapped from the single cell of a wrapped line, without the tail."""
        if self.outer or (len(cells) == 1 and len(self.header) > 1):
            cells = self._unwrapped(cells)
        if self.tail and cells:
            cells = [*cells[:-1], cells[-1].rstrip(self.tail)]
        return cells

    def _unwrapped(self, cells: list[str]) -> list[str]:
        filled = [cell for cell in cells if cell.strip()]
        if len(filled) != 1 or self.separator not in filled[0]:
            return cells
        inside = single_record(filled[0], self.separator) or []
        if not self.outer and (len(inside) != len(self.header) or sum(map(bool, inside)) < 2):
            return cells
        return inside or cells

    def format(self, encoding: str) -> Message:
        """Describe how the file is read: `semicolon-separated, UTF-8, header in row 4, skipping 3 rows above`."""
        several = len(self.header) > 1
        place = message("csv_files.header_in_row", line=self.line, skipped=self.skipped)
        return message(
            "csv_files.details",
            cells=SEPARATORS[self.separator] if several else message("csv_files.one_column"),
            encoding=encoding,
            header=place if self.line else message("csv_files.no_header"),
        )


def read_shape(
    text: str, *, any_columns: bool = False, chosen: ChosenColumns | None = None
) -> Shape:
    """Return the shape of a text. Raises DomainError if it can't be read, UnclearColumnsError to let a person choose.

    With `any_columns` a header may have any names; if no header is found, the first filled line is used, and a person
    chooses the columns. `chosen` is a person's earlier choice.
    """
    lines = line_after(text)
    if lines > LINE_LIMIT:
        raise DomainError("csv_files.too_many_lines", lines=lines, limit=LINE_LIMIT)
    first = opening_lines(text)
    if content := next((line for line in first if not line.blank), None):
        check_width(content, text)
    found = find_header(first)
    if chosen and chosen.line is not None:
        found = chosen_header(first, text, chosen.line)
    if found is None and not any_columns and chosen is None:
        raise _no_header(first, text)
    if found is None:
        content = first_content(first, text)
        found = Place(content, likeliest_separator(content, first))
    return _shape(text, found, first, any_columns=any_columns, chosen=chosen)


def _shape(
    text: str, found: Place, first: list[Line], *, any_columns: bool, chosen: ChosenColumns | None
) -> Shape:
    line, separator, outer = found
    headless = bool(chosen and chosen.line == 0)
    stream = io.StringIO(text, newline="")
    stream.seek(line.offset)
    spaced, loose = detect_quoting(
        text[line.offset : WINDOW], outer or separator, len(text) > WINDOW
    )
    records = read_records(stream, outer or separator, spaced, loose)
    try:
        cells = next(records)
    except csv.Error as error:
        end = line.number - 1 + records.line_num
        raise unreadable(error, line.number, end) from None
    below = line.number + records.line_num
    last = text[line.offset : stream.tell()][-2:]
    newline = last if last == "\r\n" else last[-1] if last[-1] in "\r\n" else "\r\n"
    bare = Shape(
        cells, {}, separator, newline, line.number, below, 0, records, outer, spaced, loose
    )
    header = bare.fitted(cells)
    tail = _tail(header, separator)
    if tail:
        header[-1] = header[-1].rstrip(tail)
    if len(header) > COLUMN_LIMIT:
        raise too_many_cells(line.number, len(header))
    skipped = any(not above.blank for above in first if above.number < line.number)
    if headless:
        stream.seek(line.offset)
        records = read_records(stream, outer or separator, spaced, loose)
        header = [""] * _widest(text[line.offset : WINDOW], bare)
        below, skipped = line.number, False
    columns = dict(chosen.columns) if chosen else _columns(header, line.number, any_columns)
    if not all(0 <= place < len(header) for place in columns.values()):
        raise DomainError("csv_files.column_unknown")
    return Shape(
        header=header,
        columns=columns,
        separator=separator,
        newline=newline,
        line=0 if headless else line.number,
        below=below,
        skipped=line.number - 1 if skipped else 0,
        records=records,
        outer=outer,
        spaced=spaced,
        loose=loose,
        tail=tail,
        warnings=[] if chosen else overlooked(header, columns),
    )


def _no_header(first: list[Line], text: str) -> DomainError:
    """Return the error for a file without a header; a file that can't be read gets the reason."""
    line = first_content(first, text)
    separator = likeliest_separator(line, first)
    records = read_records(io.StringIO(text[line.offset :], newline=""), separator)
    try:
        cells = next(records)
    except csv.Error as error:
        return unreadable(error, line.number, line.number - 1 + records.line_num)
    wrong = next((line for line in first if line.hint and line.hint not in SEPARATORS), None)
    if wrong:
        return DomainError(
            "csv_files.separator_unknown", line=wrong.number, separator=shown(wrong.hint)
        )
    names = ", ".join(f"“{shown(name.strip())}”" for name in cells[:8])
    more = max(0, len(cells) - 8)
    return UnclearColumnsError(
        "csv_files.header_missing", line=line.number, columns=names, more=more
    )


def _columns(header: list[str], line: int, any_columns: bool) -> dict[str, int]:
    """Return the cell of each known field. Raises UnclearColumnsError if one is repeated."""
    found = known(header)
    for name, places in found.items():
        if len(places) > 1 and not any_columns:
            one, other = places[:2]
            raise UnclearColumnsError(
                "csv_files.column_twice",
                line=line,
                column=FIELDS[name],
                one=shown(header[one].strip()),
                one_place=one + 1,
                other=shown(header[other].strip()),
                other_place=other + 1,
            )
    return {name: places[0] for name, places in found.items()}


def _tail(header: Sequence[str], separator: str) -> str:
    """Return the separators of a different kind at the end of a header."""
    others = "".join(other for other in SEPARATORS if other != separator)
    last = header[-1].rstrip() if header else ""
    ending = last[len(last.rstrip(others)) :]
    return "".join(dict.fromkeys(ending + " ")) if ending else ""


def _widest(window: str, shape: Shape) -> int:
    """Return the width of the widest of the first rows, for a file without a header."""
    width = len(shape.header)
    try:
        for cells in islice(shape.reader(io.StringIO(window, newline="")), HEADER_WITHIN):
            width = max(width, len(shape.fitted(cells)))
    except csv.Error:
        pass
    return min(width, COLUMN_LIMIT)
