"""Text to shape: where the header is, what separates the cells, which columns are used.

The one header reader for every way in. The header is the line among the first 20 that has most of the known columns,
under whichever separator; what stands above it is skipped, and reported. Where there is none, or a column is there
twice, it is Unclear, and a person has to say it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

from webapp.domain.csv_files.cell_values import clean
from webapp.domain.csv_files.columns import FIELDS, key_of, known, overlooked
from webapp.domain.csv_files.sheet import line_after, shown
from webapp.domain.errors import DomainError

SEPARATORS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "pipes"}

LINE_LIMIT = 1_048_576
"""Most lines, blank ones too: what a worksheet of Excel or LibreOffice holds."""

COLUMN_LIMIT = 1_000
"""Most cells in the header or in a row."""

HEADER_WITHIN = 20
"""Lines, from the beginning of the file, in which a header is looked for (E-8)."""

WINDOW = 65_536
"""Characters, from the beginning of the file, in which a header is looked for."""

HINT = re.compile(r'\s*"?sep=(.)"?[ ;,\t|]*', re.IGNORECASE)
"""The line by which Excel is told the separator."""

_TYPE = re.compile(r'"?#TYPE\b', re.IGNORECASE)
"""The line that PowerShell writes above a header."""

_SPACE_AFTER_QUOTE = re.compile(r'"[ \xa0]+(?=[;,\t|]|[\r\n]|$)')


class Records(Protocol):
    """A csv reader: records from a stream, and how many lines of it have been read."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class UnclearColumnsError(DomainError):
    """A file of which a person has to say what its columns are: it has no known header, or a column twice."""


@dataclass(frozen=True)
class Said:
    """What a person said of a file."""

    columns: Mapping[str, int]
    """In which cell each field is; those that are absent are not used."""
    line: int | None = None
    """On which line the header is: 0 if there is none, None if it is where it was found."""


@dataclass(frozen=True)
class Shape:
    """What is known of a file once its header is read."""

    header: list[str]
    """The header's cells as written in the file; all "" if there is no header."""
    columns: dict[str, int]
    separator: str
    newline: str
    line: int
    """Physical line on which the header begins; 0 if there is none."""
    below: int
    """Physical line on which the first record below the header begins."""
    skipped: int
    """Lines above the header, if any of them holds something; else 0."""
    records: Records
    """They stand below the header, each still to be `fitted`."""
    outer: str = ""
    """What separates the cells that whole lines were wrapped into, if they were."""
    spaced: bool = False
    """Whether spaces stand before opening quotation marks."""
    loose: bool = False
    """Whether spaces stand behind closing quotation marks."""
    tail: str = ""
    """Separators of another kind that stand at the end of the header, and of rows."""
    warnings: list[str] = field(default_factory=list)
    """What to look at before the file is used."""

    def place_of(self, *names: str) -> int | None:
        """Return in which cell the first column is that is called so, such as `name`; by a header's key."""
        places = [place for place, written in enumerate(self.header) if key_of(written) in names]
        return places[0] if places else None

    def reader(self, lines: Iterable[str]) -> Records:
        """Return a reader of the file's lines, from whichever on; its records are still to be `fitted`."""
        return _records(lines, self.outer or self.separator, self.spaced, self.loose)

    def fitted(self, cells: list[str]) -> list[str]:
        """Return a record's cells: out of the one cell that a whole line was wrapped into, and without the tail."""
        if self.outer or (len(cells) == 1 and len(self.header) > 1):
            cells = self._unwrapped(cells)
        if self.tail and cells:
            cells = [*cells[:-1], cells[-1].rstrip(self.tail)]
        return cells

    def _unwrapped(self, cells: list[str]) -> list[str]:
        filled = [cell for cell in cells if cell.strip()]
        if len(filled) != 1 or self.separator not in filled[0]:
            return cells
        inside = _record(filled[0], self.separator) or []
        if not self.outer and (len(inside) != len(self.header) or sum(map(bool, inside)) < 2):
            return cells
        return inside or cells

    @property
    def cells(self) -> str:
        """What separates the cells, in words: `semicolons`."""
        return SEPARATORS[self.separator] if len(self.header) > 1 else "one column"

    @property
    def place(self) -> str:
        """Where the header is, in words: `header in row 4, 3 rows above it skipped`."""
        if not self.line:
            return "no header"
        rows = "1 row" if self.skipped == 1 else f"{self.skipped:,} rows"
        return f"header in row {self.line}" + (f", {rows} above it skipped" if self.skipped else "")


class _Line(NamedTuple):
    """One of the first lines of a file."""

    number: int
    offset: int
    text: str
    blank: bool
    hint: str


class _Place(NamedTuple):
    """Where a header is, or seems to be."""

    line: _Line
    separator: str
    outer: str = ""


def read_shape(text: str, *, any_columns: bool = False, said: Said | None = None) -> Shape:
    """Return the shape of a file's text; raises DomainError if it can't be read, and Unclear if a person has to say
    more.

    With `any_columns` a header is usable whatever its columns are called, and the first filled line is one if no
    other is: a person says what they are. `said` is what a person said already.
    """
    lines = line_after(text)
    if lines > LINE_LIMIT:
        raise DomainError(
            f"The file has {lines:,} lines, more than a spreadsheet holds ({LINE_LIMIT:,}). "
            "Split it into several files, or delete the blank lines."
        )
    first = _first_lines(text)
    if content := next((line for line in first if not line.blank), None):
        _refuse_too_wide(content, text)
    found = _find(first)
    if said and said.line is not None:
        found = _said_place(first, text, said.line)
    if found is None and not any_columns and said is None:
        raise _no_header(first, text)
    if found is None:
        content = _content(first, text)
        found = _Place(content, _commonest(content, first))
    return _shape(text, found, first, any_columns=any_columns, said=said)


def first_lines(text: str) -> list[tuple[int, str]]:
    """Return the filled lines among which a header is looked for, each with its number."""
    return [(line.number, line.text.strip()) for line in _first_lines(text) if not line.blank]


def _shape(
    text: str, found: _Place, first: list[_Line], *, any_columns: bool, said: Said | None
) -> Shape:
    line, separator, outer = found
    headless = bool(said and said.line == 0)
    stream = io.StringIO(text, newline="")
    stream.seek(line.offset)
    spaced, loose = _quoting(text[line.offset : WINDOW], outer or separator, len(text) > WINDOW)
    records = _records(stream, outer or separator, spaced, loose)
    try:
        cells = next(records)
    except csv.Error as error:
        end = line.number - 1 + records.line_num
        raise DomainError(unreadable(error, line.number, end)) from None
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
        raise DomainError(too_many_cells(line.number, len(header)))
    skipped = any(not one.blank for one in first if one.number < line.number)
    if headless:
        stream.seek(line.offset)
        records = _records(stream, outer or separator, spaced, loose)
        header = [""] * _widest(text[line.offset : WINDOW], bare)
        below, skipped = line.number, False
    columns = dict(said.columns) if said else _columns(header, line.number, any_columns)
    if not all(0 <= place < len(header) for place in columns.values()):
        raise DomainError("The file has no such column.")
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
        warnings=[] if said else overlooked(header, columns),
    )


def _first_lines(text: str) -> list[_Line]:
    """Return the lines among which the header is; a line cut off at the end of the window is as long as it."""
    found, offset = [], 0
    for number, line in enumerate(
        islice(io.StringIO(text[:WINDOW], newline=""), HEADER_WITHIN), start=1
    ):
        stated = HINT.fullmatch(line.rstrip("\r\n")) if len(line) < 50 else None
        # A line of separators and empty quoted cells is blank whatever separates its cells.
        filled = line.strip(' ;,|"\t').strip() or line.count('"') % 2
        blank = bool(stated) or not filled
        found.append(_Line(number, offset, line, blank, stated[1] if stated else ""))
        offset += len(line)
    return found


def _content(first: list[_Line], text: str) -> _Line:
    """Return the first line that holds something; raises DomainError if there is none in the file."""
    for line in first:
        if not line.blank and not _TYPE.match(line.text):
            return line
    number, offset = 0, 0
    for number, written in enumerate(io.StringIO(text, newline=""), start=1):
        if written.strip(' ;,|"\t').strip() and not HINT.fullmatch(written.rstrip("\r\n")):
            return _Line(number, offset, written, blank=False, hint="")
        offset += len(written)
    raise DomainError(
        "The file is empty: it has only blank lines. Write a header and rows into it."
    )


def _refuse_too_wide(line: _Line, text: str) -> None:
    """Raise DomainError for a line with too many cells, before any separator is tried: by counting, which is cheap."""
    separator = max(SEPARATORS, key=line.text.count)
    if line.text.count(separator) >= COLUMN_LIMIT:
        end = re.compile(r"[\r\n]|$").search(text, line.offset)
        cells = text.count(separator, line.offset, end.start() if end else len(text)) + 1
        raise DomainError(too_many_cells(line.number, cells))


def _find(first: list[_Line]) -> _Place | None:
    """Return where the header is: the line with most known columns, the first of those, or None."""
    best: tuple[tuple[int, bool, int], _Place] | None = None
    hint = next((line.hint for line in first if line.hint), "")
    for place, line in enumerate(first):
        if line.blank or _TYPE.match(line.text) or not _narrow(line):
            continue
        following = [one.text for one in first[place:]]
        rated = [
            (rating, _Place(line, separator, outer))
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


def _narrow(line: _Line) -> bool:
    return max(map(line.text.count, SEPARATORS)) < COLUMN_LIMIT


def _readings(line: _Line, following: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Return the cells of a line under each separator; those inside the one cell of a wrapped line too."""
    for separator in SEPARATORS:
        cells = _first_record(following, separator)
        if cells is None:
            continue
        yield separator, "", cells
        filled = [cell for cell in cells if cell.strip()]
        if len(filled) == 1 and line.text.lstrip().startswith('"'):
            for inner in SEPARATORS:
                inside = _record(filled[0], inner) if inner in filled[0] else None
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


def _counts(rating: tuple[int, bool, int], line: _Line) -> tuple[int, bool]:
    """Return by what a header is better than one above it: known columns, and that it is no comment."""
    return rating[0], not line.text.startswith("#")


def _could_be_data(cells: list[str], separator: str, above: list[_Line]) -> bool:
    """Return whether cells with a known word, below other rows, may be a row too: of a member called `login`."""
    filled = [line.text.strip() for line in above if not line.blank]
    if len(cells) == 1:
        words = (text.strip('"') for text in filled)
        return any(" " not in word and not word.startswith("#") for word in words)
    alike = any(text.count(separator) == len(cells) - 1 for text in filled)
    return alike and any(clean(cell).isdigit() for cell in cells)


def _said_place(first: list[_Line], text: str, number: int) -> _Place:
    """Return the place of the header that a person said, or with 0 of the first row."""
    if number:
        line = next((one for one in first if one.number == number and not one.blank), None)
        if line is None:
            raise DomainError(f"Line {number} can't be the header.")
    else:
        line = _content(first, text)
    following = [one.text for one in first[line.number - 1 :]] or [line.text]
    rated = [
        (rating, _Place(line, separator, outer))
        for separator, outer, cells in _readings(line, following)
        if (rating := _rating(cells, hinted=False))
    ]
    if rated:
        return max(rated, key=lambda one: one[0])[1]
    return _Place(line, _commonest(line, first))


def _commonest(line: _Line, first: list[_Line]) -> str:
    """Return the separator that is most often in a line, the stated one if it is in there or none is."""
    hint = next((one.hint for one in first if one.hint in SEPARATORS), "")
    best = max(SEPARATORS, key=line.text.count)
    return hint if hint and (hint in line.text or best not in line.text) else best


def _no_header(first: list[_Line], text: str) -> DomainError:
    """Return the refusal of a file in which no header is found; one that can't be read is told why."""
    line = _content(first, text)
    separator = _commonest(line, first)
    records = _records(io.StringIO(text[line.offset :], newline=""), separator)
    try:
        cells = next(records)
    except csv.Error as error:
        return DomainError(unreadable(error, line.number, line.number - 1 + records.line_num))
    wrong = next((one for one in first if one.hint and one.hint not in SEPARATORS), None)
    if wrong:
        return DomainError(
            f'Line {wrong.number} says that "{shown(wrong.hint)}" separates the cells. '
            "Use semicolons, commas, tabs or pipes."
        )
    some = ", ".join(f'"{shown(name.strip())}"' for name in cells[:8])
    more = f" and {len(cells) - 8} more" if len(cells) > 8 else ""
    return UnclearColumnsError(
        "The file has none of the columns ID, Username, Registered email; it needs at least "
        f"one. Line {line.number} was read as the header: {some}{more}. Write the names of the "
        "columns into the first row, or start from the template."
    )


def _columns(header: list[str], line: int, any_columns: bool) -> dict[str, int]:
    """Return in which cell each known field is; raises Unclear if one is twice."""
    found = known(header)
    for name, places in found.items():
        if len(places) > 1 and not any_columns:
            one, other = places[:2]
            raise UnclearColumnsError(
                f"The column {FIELDS[name]} is there twice in line {line}: "
                f'"{shown(header[one].strip())}" (column {one + 1}) and '
                f'"{shown(header[other].strip())}" (column {other + 1}). '
                "Delete or rename one of them."
            )
    return {name: places[0] for name, places in found.items()}


def _tail(header: Sequence[str], separator: str) -> str:
    """Return the separators of another kind at the end of a header."""
    others = "".join(one for one in SEPARATORS if one != separator)
    last = header[-1].rstrip() if header else ""
    ending = last[len(last.rstrip(others)) :]
    return "".join(dict.fromkeys(ending + " ")) if ending else ""


def _widest(window: str, shape: Shape) -> int:
    """Return how many cells the widest of the first rows has, where no header says it."""
    width = len(shape.header)
    try:
        for cells in islice(shape.reader(io.StringIO(window, newline="")), HEADER_WITHIN):
            width = max(width, len(shape.fitted(cells)))
    except csv.Error:
        pass
    return min(width, COLUMN_LIMIT)


def _quoting(window: str, separator: str, cut: bool) -> tuple[bool, bool]:
    """Return whether spaces stand before opening, and behind closing quotation marks of this beginning of a file."""
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
        for _ in _records(io.StringIO(window, newline=""), separator, spaced, loose):
            pass
    except csv.Error as error:
        return cut and "unexpected end" in str(error)
    return True


def _first_record(lines: list[str], separator: str) -> list[str] | None:
    """Return the first record of some lines, or None if it can't be read."""
    for spaced, loose in ((True, False), (False, False), (True, True)):
        try:
            return next(_records(lines, separator, spaced, loose))
        except (csv.Error, StopIteration):
            continue
    return None


def _record(text: str, separator: str) -> list[str] | None:
    return _first_record(text.splitlines(keepends=True), separator)


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


def _records(
    lines: Iterable[str], separator: str, spaced: bool = False, loose: bool = False
) -> Records:
    """Return a strict reader: the lenient one lets a lone quotation mark swallow rows unseen."""
    if loose:
        lines = (_SPACE_AFTER_QUOTE.sub('"', line) for line in lines)
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=spaced)


def too_many_cells(line: int, cells: int) -> str:
    """Return the sentence for a header or row with more cells than are read."""
    return (
        f"Line {line} has {cells:,} columns; at most {COLUMN_LIMIT:,} are read. "
        "Delete the columns that are not needed."
    )
