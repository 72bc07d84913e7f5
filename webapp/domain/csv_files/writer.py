"""Write CSV files that open in a spreadsheet without formulas and can be read again (S10)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from webapp.domain.csv_files.formula_escaping import escape_formula


def write_csv(
    rows: Iterable[Iterable[str]],
    *,
    separator: str = ";",
    newline: str = "\r\n",
    encoding: str = "utf-8-sig",
) -> bytes:
    """Return the rows as a CSV file, by default in the template's format. Escapes formulas.

    Characters that the encoding lacks become `?`.
    """
    safe = [[escape_formula(cell) for cell in row] for row in rows]
    # Python 3.11's writer quotes a line break only if it is in `lineterminator`.
    broken = any("\r" in cell or "\n" in cell for row in safe for cell in row)
    text = io.StringIO(newline="")
    csv.writer(
        text,
        delimiter=separator,
        lineterminator=newline,
        quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL,
    ).writerows(safe)
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}" if encoding.startswith("utf-16-") else ""
    return (mark + text.getvalue()).encode(encoding, "replace")
