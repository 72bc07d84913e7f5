"""The result of reading a file: a sheet of rows."""

from dataclasses import dataclass, field
from typing import NamedTuple

from webapp.messages import Message


class Row(NamedTuple):
    line: int
    """Physical line, from 1, where the row begins."""
    external_id: str
    username: str
    email: str
    """The three fields are cleaned (see `cell_values`); "" if the cell is empty or missing."""
    cells: list[str]
    """Original text of every cell; missing cells at the end of a row are left out."""
    problem: Message | None
    """Why the row can't be read, or None. If there is a problem, don't trust the fields."""
    warnings: tuple[Message, ...]
    """Warnings about a readable row: a shortened number, look-alike letters."""
    email_problem: Message | None = None
    """Why the email is invalid, or None. An error if the email has to identify a member, otherwise a warning."""
    no_email: str = ""
    """The email cell's placeholder, such as `NULL` or `-`; then `email` is ""."""


@dataclass(frozen=True)
class Sheet:
    how: Message
    """The format: `semicolon-separated, UTF-8, header in row 1`."""
    header: list[str]
    """The header's original cells."""
    columns: dict[str, int]
    """Cells of `external_id`, `username` and `email`; at least one."""
    line: int
    """The header's line; 0 if there is none."""
    ignored: list[str]
    """Names of unused columns."""
    rows: list[Row]
    blank: int
    """Number of rows below the header whose cells are all empty; they are not in `rows`."""
    separator: str
    encoding: str
    """`utf-8`, `utf-8-sig`, `utf-16-le`, `utf-16-be`, or the chosen one of ENCODINGS."""
    newline: str
    """The header's line ending, used to write the file back."""
    warnings: list[Message] = field(default_factory=list)
    """Columns that may have been overlooked."""
    beginning: list[tuple[int, str]] = field(default_factory=list)
    """The numbered, non-blank lines among which to look for a header, shortened for display."""


def shown(text: str, length: int = 40) -> str:
    """Make a text fit for a message: on one line, visible, truncated."""
    cut = text[:length] + ("…" if len(text) > length else "")
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)


def line_after(text: str) -> int:
    """Return the physical line, from 1, of the character after this text."""
    return 1 + text.count("\n") + text.count("\r") - text.count("\r\n")
