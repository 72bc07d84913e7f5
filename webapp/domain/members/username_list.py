"""Usernames as people type and paste them: one after the other, a column of a spreadsheet, a line of a mail."""

from __future__ import annotations

import re

from webapp.domain.csv_files.cell_values import clean_name, trimmed_name
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold, searchable

LONGEST = 100_000  # characters that are read; thousands of names

# A cell as spreadsheets quote it, where a separator follows its closing quote; else what stands between separators.
# `*+` never goes back, so that no text takes longer than its length.
_ENDS = r",;\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_NAME = re.compile(rf'"((?:[^"]|"")*+)"(?=[ \xa0]*(?:[{_ENDS}]|$))|([^{_ENDS}]+)')
_SPACE = re.compile(rf"[\s{_ENDS}]*")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“”", "‘": "’", "«": "»", "`": "`"}


def parse(text: str) -> list[str]:
    """The names in a text, each once (folded), in their order (M-8); DomainError where the text is too long to be read.

    Commas, semicolons, tabs and line breaks separate; quotes around a name and one leading @ are left out.
    """
    if len(text) > LONGEST:
        raise DomainError("members.list_too_long", "to", length=len(text), limit=LONGEST)
    names: dict[str, str] = {}
    place = 0
    text = searchable(text)
    while match := _NAME.match(text, _SPACE.match(text, place).end()):  # type: ignore[union-attr]
        place = match.end()
        quoted, plain = match.groups()
        name = _bare(plain if quoted is None else quoted.replace('""', '"'))
        if name:
            names.setdefault(fold(name), name)
    return list(names.values())


def format_names(names: list[str]) -> str:
    """Names as a text that `parse` reads as these names."""
    return ", ".join(
        '"' + name.replace('"', '""') + '"' if re.search(rf'[{_ENDS}"]', name) else name
        for name in names
    )


def _bare(text: str) -> str:
    """The name without what pasting puts around it: blanks, characters that nobody sees, quotes, an @."""
    text = clean_name(text)
    for _ in range(3):  # a quoted @name, a name that was quoted twice
        if len(text) > 1 and text[-1] in _QUOTES.get(text[0], ""):
            text = trimmed_name(text[1:-1])
        text = trimmed_name(text.lstrip("@")) or text
    return text
