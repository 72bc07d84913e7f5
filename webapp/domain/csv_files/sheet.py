"""What a file is once it is read: a sheet of rows."""

from dataclasses import dataclass, field
from typing import NamedTuple

from webapp.messages import Message


class Row(NamedTuple):
    line: int
    """Physical line, from 1, on which the row begins."""
    external_id: str
    username: str
    email: str
    """The three fields are cleaned (see `cells`), and "" where the cell is empty or missing."""
    cells: list[str]
    """The text of every cell as it stands in the file; those missing at the end of a row are absent."""
    problem: Message | None
    """Why the row can't be read, or None. If there is a problem, don't trust the fields."""
    warnings: tuple[Message, ...]
    """What to look at although the row can be read: a shortened number, look-alike letters."""
    email_problem: Message | None = None
    """Why the email can't be told, or None: where it is needed to find a member, the row is in error; where it is one
    field of a member, it is left out with a warning."""
    no_email: str = ""
    """What the email's cell says in place of one, such as `NULL` or `-`; `email` is "" then."""


@dataclass(frozen=True)
class Sheet:
    how: Message
    """The format: `semicolon-separated, UTF-8, header in row 1`."""
    header: list[str]
    """The header's cells as written in the file."""
    columns: dict[str, int]
    """Which of `external_id`, `username`, `email` is in which cell; at least one is there."""
    line: int
    """On which line the header is; 0 if there is none."""
    ignored: list[str]
    """Names of the columns that are not used."""
    rows: list[Row]
    blank: int
    """Rows below the header whose cells are all empty; they are not among `rows`."""
    separator: str
    encoding: str
    """`utf-8`, `utf-8-sig`, `utf-16-le`, `utf-16-be`, or what was picked of ENCODINGS."""
    newline: str
    """How the header's line ends, with which the file is written back."""
    warnings: list[Message] = field(default_factory=list)
    """What to look at before the file is used: columns that may have been overlooked."""
    beginning: list[tuple[int, str]] = field(default_factory=list)
    """The filled lines among which a header is looked for, each with its number and cut to be shown."""


def shown(text: str, length: int = 40) -> str:
    """Return the text fit for a message: on one line, all of it visible, cut to a length."""
    cut = text[:length] + ("…" if len(text) > length else "")
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)


def line_after(text: str) -> int:
    """Return the physical line, from 1, on which the character after this text stands."""
    return 1 + text.count("\n") + text.count("\r") - text.count("\r\n")
