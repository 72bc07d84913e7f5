"""Read plain rows at once: those whose cells `csv_files` would neither change nor complain about.

Most rows are plain, and one pattern for the whole row is several times as fast as cleaning and checking each cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter

from webapp.domain import dates
from webapp.domain.csv_files.shape import Shape
from webapp.domain.imports.plan import ValidRow
from webapp.models.member import ASSIGNABLE_STATUSES

STATUSES = {str(status): status for status in ASSIGNABLE_STATUSES}

# No number, date or formula of a spreadsheet: at most 16 digits, and a text with a separator neither starts nor ends
# with a digit.
_TOKEN = (
    r"(?:[A-Za-z0-9]{0,16}|[A-Za-z_][A-Za-z0-9_]{0,189}|[A-Za-z_][A-Za-z0-9_.-]{0,188}[A-Za-z_])"
)
_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_EMAIL = r"(?:[A-Za-z0-9_+.-]{1,120}@[A-Za-z0-9.-]{1,190})?"
# Latin, Greek, Cyrillic, Japanese, Chinese and Korean letters that have a shape of their own.
_LETTER = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0386\u0388-\u03ce\u0400-\u0481\u048a-\u052f"
    "\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
)
_NAME = rf"(?:(?=.{{0,190}}\Z)[{_LETTER}][{_LETTER}'.-]*(?: [{_LETTER}0-9][{_LETTER}0-9'.-]*)*)?"
_ROW = re.compile(rf"(?=.)(?:{_TOKEN}|{_UUID})\n{_TOKEN}\n{_EMAIL}\n{_NAME}")
_TEXTS = ("external_id", "username", "email", "name")

PlainReader = Callable[[int, list[str]], ValidRow | None]


def reader(shape: Shape, columns: Mapping[str, int]) -> PlainReader:
    """Return a function that converts a record of the file to a row; it returns None if the record isn't plain."""
    width = len(shape.header)
    if shape.outer or shape.tail or "external_id" not in columns:
        return lambda line, cells: None
    pick = itemgetter(*(columns.get(name, width) for name in (*_TEXTS, "joined", "status")))

    def read(line: int, cells: list[str]) -> ValidRow | None:
        if len(cells) != width:
            return None
        external_id, username, email, name, joined, status = pick((*cells, ""))
        if not _ROW.fullmatch(f"{external_id}\n{username}\n{email}\n{name}"):
            return None
        at = _moment(joined) if joined else None
        becomes = STATUSES.get(status.strip().casefold()) if status else None
        if (joined and at is None) or (status and becomes is None):
            return None
        keys = username.lower(), email.lower()
        return ValidRow(line, external_id, username, keys[0], email, keys[1], name, at, becomes)

    return read


_moment = lru_cache(1_000)(dates.parse_moment)  # many members have joined on the same day
