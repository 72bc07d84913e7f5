"""Cells that a spreadsheet would take for a formula: marked on the way out, unmarked on the way in (S10)."""

import re

FORMULA = re.compile("'*\\s*[\t\r=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet may calculate, full-width signs too, or one that is marked already."""


def escape_formula(text: str) -> str:
    """Return the text with a leading apostrophe where a spreadsheet might take it for a formula.

    `plain_cell` takes back exactly that: `plain_cell(safe_cell(text)) == text` for every text.
    """
    return "'" + text if FORMULA.match(text) else text


def unescape_formula(text: str) -> str:
    """Return the text without the apostrophe that `safe_cell`, or a person at a spreadsheet, put before a formula."""
    return text[1:] if text.startswith("'") and FORMULA.match(text[1:]) else text
