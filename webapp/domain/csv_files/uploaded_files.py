"""Shared by all uploaded CSV files: columns in the database, encoding, and a file of the rows with errors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from webapp.domain.csv_files import writer
from webapp.domain.csv_files.encodings import ENCODINGS
from webapp.domain.csv_files.formula_escaping import unescape_formula
from webapp.domain.csv_files.sheet import shown
from webapp.domain.errors import DomainError

MESSAGE = "Message"


def file_columns(filename: str, data: bytes) -> dict[str, Any]:
    """Return the base name, hash and content as the columns of a model."""
    return {
        "filename": shown(re.split(r"[/\\]", filename)[-1], 254),
        "sha256": hashlib.sha256(data).hexdigest(),
        "content": data,
    }


def ensure_encoding(encoding: str) -> None:
    """Raise DomainError for an encoding that isn't offered."""
    if encoding not in ENCODINGS:
        raise DomainError("csv_files.choose_encoding")


def rows_with_errors(
    header: list[str],
    names: Mapping[int, str],
    rows: Iterable[tuple[list[str], str]],
    **file_format: str,
) -> bytes:
    """Return the rows as a CSV file to correct and upload again, with each row's error in a column `Message`.

    `names` replaces headings by position, so that the columns of a file without a header are recognized. A column
    `Message` at the end, from an earlier download, is replaced.
    """
    header = [names.get(place, text) for place, text in enumerate(header)]
    full = len(header)
    if header and header[-1].strip().casefold() == MESSAGE.casefold():
        header.pop()
    width = len(header)
    written = [[*header, MESSAGE]]
    for cells, message in rows:
        kept = cells[:width] if len(cells) <= full else cells
        written.append([*kept, *[""] * (width - len(kept)), message])
    plain = [[unescape_formula(cell) for cell in row] for row in written]
    return writer.write_csv(plain, **file_format)
