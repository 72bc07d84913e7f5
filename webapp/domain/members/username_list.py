"""Parse usernames as people type and paste them: a list, a spreadsheet column, a line of an email."""

from __future__ import annotations

import re

from webapp.domain.csv_files.cell_values import clean_name, trimmed_name
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold, searchable

LONGEST = 100_000  # characters read; thousands of names

# A cell quoted by a spreadsheet, if a separator follows its closing quote; otherwise the text between separators. `*+`
# never backtracks, so matching takes linear time.
_ENDS = r",;\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_NAME = re.compile(rf'"((?:[^"]|"")*+)"(?=[ \xa0]*(?:[{_ENDS}]|$))|([^{_ENDS}]+)')
_SPACE = re.compile(rf"[\s{_ENDS}]*")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“”", "‘": "’", "«": "»", "`": "`"}


def parse(text: str) -> list[str]:
    """Return the usernames in a text, each once (folded), in order (M-8). Raises DomainError for too long a text.

    Separators are commas, semicolons, tabs and line breaks; quotes around a name and one leading @ are removed.
    """
    if len(text) > LONGEST:
        raise DomainError("members.list_too_long", "to", length=len(text), limit=LONGEST)
    names: dict[str, str] = {}
    place = 0
    text = searchable(text)
    while match := _NAME.match(text, _SPACE.match(text, place).end()):  # type: ignore[union-attr]
        place = match.end()
        quoted, plain = match.groups()
        name = _strip(plain if quoted is None else quoted.replace('""', '"'))
        if name:
            names.setdefault(fold(name), name)
    return list(names.values())


def format_names(names: list[str]) -> str:
    """Join names into a text that `parse` reads as the same names."""
    return ", ".join(
        '"' + name.replace('"', '""') + '"' if re.search(rf'[{_ENDS}"]', name) else name
        for name in names
    )


def _strip(text: str) -> str:
    """Remove what pasting adds around a name: spaces, invisible characters, quotes, an @."""
    text = clean_name(text)
    for _ in range(3):  # for a quoted @name or a name quoted twice
        if len(text) > 1 and text[-1] in _QUOTES.get(text[0], ""):
            text = trimmed_name(text[1:-1])
        text = trimmed_name(text.lstrip("@")) or text
    return text
