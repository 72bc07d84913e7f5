"""Find the header: the line among the first 20 with the most known columns, under any separator."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
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
"""Number of lines at the start of the file in which to look for a header (E-8)."""

WINDOW = 65_536
"""Number of characters at the start of the file in which to look for a header."""

HINT = re.compile(r'\s*"?sep=(.)"?[ ;,\t|]*', re.IGNORECASE)
"""The line that tells Excel the separator."""

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
    """Position of a header or likely header."""

    line: Line
    separator: str
    outer: str = ""


def first_lines(text: str) -> list[tuple[int, str]]:
    """Return the numbered, non-blank lines among which to look for a header."""
    return [(line.number, line.text.strip()) for line in opening_lines(text) if not line.blank]


def opening_lines(text: str) -> list[Line]:
    """Return the lines among which to look for the header; a line longer than the window is cut off."""
    found, offset = [], 0
    for number, line in enumerate(
        islice(io.StringIO(text[:WINDOW], newline=""), HEADER_WITHIN), start=1
    ):
        stated = HINT.fullmatch(line.rstrip("\r\n")) if len(line) < 50 else None
        # A line of separators and empty quoted cells is blank whatever the separator.
        filled = line.strip(' ;,|"\t').strip() or line.count('"') % 2
        blank = bool(stated) or not filled
        found.append(Line(number, offset, line, blank, stated[1] if stated else ""))
        offset += len(line)
    return found


def first_content(first: list[Line], text: str) -> Line:
    """Return the first line with content. Raises DomainError if there is none in the file."""
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
    """Raise DomainError for a line with too many cells; counting is cheaper than trying separators."""
    separator = max(SEPARATORS, key=line.text.count)
    if line.text.count(separator) >= COLUMN_LIMIT:
        end = re.compile(r"[\r\n]|$").search(text, line.offset)
        cells = text.count(separator, line.offset, end.start() if end else len(text)) + 1
        raise too_many_cells(line.number, cells)


def find_header(first: list[Line]) -> Place | None:
    """Return the first of the lines with the most known columns, or None."""
    best: tuple[tuple[int, bool, int], Place] | None = None
    hint = next((line.hint for line in first if line.hint), "")
    for place, line in enumerate(first):
        if line.blank or _TYPE.match(line.text) or not _narrow(line):
            continue
        following = [later.text for later in first[place:]]
        rated = [
            (rating, Place(line, separator, outer))
            for separator, outer, cells in _readings(line, following)
            if (rating := _rating(cells, separator == hint))
            and not _could_be_data(cells, separator, first[:place])
        ]
        if not rated:
            continue
        rating, found = max(rated, key=itemgetter(0))
        if best is None or _counts(rating, line) > _counts(best[0], best[1].line):
            best = rating, found
    return best[1] if best else None


def _narrow(line: Line) -> bool:
    return max(map(line.text.count, SEPARATORS)) < COLUMN_LIMIT


def _readings(line: Line, following: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the cells of a line under each separator, including those inside the single cell of a wrapped line."""
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
    """Rate how much cells resemble a header, for comparison; None if not at all."""
    fields = known(cells)
    if not fields:
        return None
    if any("@" in cell and "." in cell for cell in cells):
        return None  # a row of members that includes one named `login`
    return len(fields), hinted, len(cells)


def _counts(rating: tuple[int, bool, int], line: Line) -> tuple[int, bool]:
    """Return the criteria for preferring a header to one above it: known columns, and not a comment."""
    return rating[0], not line.text.startswith("#")


def _could_be_data(cells: list[str], separator: str, above: list[Line]) -> bool:
    """True if cells with a known word, below other rows, may be a row: a member may be called `login`."""
    filled = [line.text.strip() for line in above if not line.blank]
    if len(cells) == 1:
        words = (text.strip('"') for text in filled)
        return any(" " not in word and not word.startswith("#") for word in words)
    alike = any(text.count(separator) == len(cells) - 1 for text in filled)
    return alike and any(clean(cell).isdigit() for cell in cells)


def chosen_header(first: list[Line], text: str, number: int) -> Place:
    """Return the place of the header on the given line, or the first row if it is 0."""
    if number:
        line = next((line for line in first if line.number == number and not line.blank), None)
        if line is None:
            raise DomainError("csv_files.header_unknown", line=number)
    else:
        line = first_content(first, text)
    following = [later.text for later in first[line.number - 1 :]] or [line.text]
    rated = [
        (rating, Place(line, separator, outer))
        for separator, outer, cells in _readings(line, following)
        if (rating := _rating(cells, hinted=False))
    ]
    if rated:
        return max(rated, key=itemgetter(0))[1]
    return Place(line, likeliest_separator(line, first))


def likeliest_separator(line: Line, first: list[Line]) -> str:
    """Return the most frequent separator of a line; the stated one if it occurs or none does."""
    hint = next((early.hint for early in first if early.hint in SEPARATORS), "")
    best = max(SEPARATORS, key=line.text.count)
    return hint if hint and (hint in line.text or best not in line.text) else best
