"""Where the header is: the line among the first 20 with the most known columns, under whichever separator."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from webapp.domain.csv_files.cell_values import clean
from webapp.domain.csv_files.columns import known
from webapp.domain.csv_files.records import (
    COLUMN_LIMIT,
    SEPARATORS,
    first_record,
    single_record,
    too_many_cells,
)
from webapp.domain.errors import DomainError

HEADER_WITHIN = 20
"""Lines, from the beginning of the file, in which a header is looked for (E-8)."""

WINDOW = 65_536
"""Characters, from the beginning of the file, in which a header is looked for."""

HINT = re.compile(r'\s*"?sep=(.)"?[ ;,\t|]*', re.IGNORECASE)
"""The line by which Excel is told the separator."""

_TYPE = re.compile(r'"?#TYPE\b', re.IGNORECASE)
"""The line that PowerShell writes above a header."""


class Line(NamedTuple):
    """One of the first lines of a file."""

    number: int
    offset: int
    text: str
    blank: bool
    hint: str


class Place(NamedTuple):
    """Where a header is, or seems to be."""

    line: Line
    separator: str
    outer: str = ""


def first_lines(text: str) -> list[tuple[int, str]]:
    """Return the filled lines among which a header is looked for, each with its number."""
    return [(line.number, line.text.strip()) for line in opening_lines(text) if not line.blank]


def opening_lines(text: str) -> list[Line]:
    """Return the lines among which the header is; a line cut off at the end of the window is as long as it."""
    found, offset = [], 0
    for number, line in enumerate(
        islice(io.StringIO(text[:WINDOW], newline=""), HEADER_WITHIN), start=1
    ):
        stated = HINT.fullmatch(line.rstrip("\r\n")) if len(line) < 50 else None
        # A line of separators and empty quoted cells is blank whatever separates its cells.
        filled = line.strip(' ;,|"\t').strip() or line.count('"') % 2
        blank = bool(stated) or not filled
        found.append(Line(number, offset, line, blank, stated[1] if stated else ""))
        offset += len(line)
    return found


def first_content(first: list[Line], text: str) -> Line:
    """Return the first line that holds something; raises DomainError if there is none in the file."""
    for line in first:
        if not line.blank and not _TYPE.match(line.text):
            return line
    number, offset = 0, 0
    for number, written in enumerate(io.StringIO(text, newline=""), start=1):
        if written.strip(' ;,|"\t').strip() and not HINT.fullmatch(written.rstrip("\r\n")):
            return Line(number, offset, written, blank=False, hint="")
        offset += len(written)
    raise DomainError("csv_files.blank")


def check_width(line: Line, text: str) -> None:
    """Raise DomainError for a line with too many cells, before any separator is tried: by counting, which is cheap."""
    separator = max(SEPARATORS, key=line.text.count)
    if line.text.count(separator) >= COLUMN_LIMIT:
        end = re.compile(r"[\r\n]|$").search(text, line.offset)
        cells = text.count(separator, line.offset, end.start() if end else len(text)) + 1
        raise too_many_cells(line.number, cells)


def find_header(first: list[Line]) -> Place | None:
    """Return where the header is: the line with most known columns, the first of those, or None."""
    best: tuple[tuple[int, bool, int], Place] | None = None
    hint = next((line.hint for line in first if line.hint), "")
    for place, line in enumerate(first):
        if line.blank or _TYPE.match(line.text) or not _narrow(line):
            continue
        following = [one.text for one in first[place:]]
        rated = [
            (rating, Place(line, separator, outer))
            for separator, outer, cells in _readings(line, following)
            if (rating := _rating(cells, separator == hint))
            and not _could_be_data(cells, separator, first[:place])
        ]
        if not rated:
            continue
        rating, found = max(rated, key=lambda one: one[0])
        if best is None or _counts(rating, line) > _counts(best[0], best[1].line):
            best = rating, found
    return best[1] if best else None


def _narrow(line: Line) -> bool:
    return max(map(line.text.count, SEPARATORS)) < COLUMN_LIMIT


def _readings(line: Line, following: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Return the cells of a line under each separator; those inside the one cell of a wrapped line too."""
    for separator in SEPARATORS:
        cells = first_record(following, separator)
        if cells is None:
            continue
        yield separator, "", cells
        filled = [cell for cell in cells if cell.strip()]
        if len(filled) == 1 and line.text.lstrip().startswith('"'):
            for inner in SEPARATORS:
                inside = single_record(filled[0], inner) if inner in filled[0] else None
                if inner != separator and inside:
                    yield inner, separator, inside


def _rating(cells: list[str], hinted: bool) -> tuple[int, bool, int] | None:
    """Return how much cells are like a header, to be compared; None if they are none."""
    fields = known(cells)
    if not fields:
        return None
    if any("@" in cell and "." in cell for cell in cells):
        return None  # a row of members, one of whom is called `login`
    return len(fields), hinted, len(cells)


def _counts(rating: tuple[int, bool, int], line: Line) -> tuple[int, bool]:
    """Return by what a header is better than one above it: known columns, and that it is no comment."""
    return rating[0], not line.text.startswith("#")


def _could_be_data(cells: list[str], separator: str, above: list[Line]) -> bool:
    """Return whether cells with a known word, below other rows, may be a row too: of a member called `login`."""
    filled = [line.text.strip() for line in above if not line.blank]
    if len(cells) == 1:
        words = (text.strip('"') for text in filled)
        return any(" " not in word and not word.startswith("#") for word in words)
    alike = any(text.count(separator) == len(cells) - 1 for text in filled)
    return alike and any(clean(cell).isdigit() for cell in cells)


def chosen_header(first: list[Line], text: str, number: int) -> Place:
    """Return the place of the header that a person said, or with 0 of the first row."""
    if number:
        line = next((one for one in first if one.number == number and not one.blank), None)
        if line is None:
            raise DomainError("csv_files.header_unknown", line=number)
    else:
        line = first_content(first, text)
    following = [one.text for one in first[line.number - 1 :]] or [line.text]
    rated = [
        (rating, Place(line, separator, outer))
        for separator, outer, cells in _readings(line, following)
        if (rating := _rating(cells, hinted=False))
    ]
    if rated:
        return max(rated, key=lambda one: one[0])[1]
    return Place(line, likeliest_separator(line, first))


def likeliest_separator(line: Line, first: list[Line]) -> str:
    """Return the separator that is most often in a line, the stated one if it is in there or none is."""
    hint = next((one.hint for one in first if one.hint in SEPARATORS), "")
    best = max(SEPARATORS, key=line.text.count)
    return hint if hint and (hint in line.text or best not in line.text) else best
