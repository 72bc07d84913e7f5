"""What all uploaded CSV files need: their columns in the database, an encoding, and a file of the rows with errors."""

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
    """The name without its folders, the hash and the content, as the columns of a model."""
    return {
        "filename": shown(re.split(r"[/\\]", filename)[-1], 254),
        "sha256": hashlib.sha256(data).hexdigest(),
        "content": data,
    }


def ensure_encoding(encoding: str) -> None:
    """Raise DomainError unless the encoding is one that a person can pick."""
    if encoding not in ENCODINGS:
        raise DomainError("csv_files.choose_encoding")


def rows_with_errors(
    header: list[str],
    names: Mapping[int, str],
    rows: Iterable[tuple[list[str], str]],
    **file_format: str,
) -> bytes:
    """The rows, each with its error in a column `Message`, as a CSV file to correct and upload again.

    `names` replaces headings by position: a file without a header gets the names by which its columns are recognized.
    A column `Message` at the end, from an earlier download, is replaced.
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
