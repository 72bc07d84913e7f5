"""Escape cells that a spreadsheet would take for a formula, and remove the escapes when reading (S10)."""

import re

FORMULA = re.compile("'*\\s*[\t\r=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""Start of a cell that a spreadsheet may calculate, including full-width signs, or that is already escaped."""


def escape_formula(text: str) -> str:
    """Prefix an apostrophe if a spreadsheet might take the text for a formula.

    `unescape_formula(escape_formula(text)) == text` for every text.
    """
    return "'" + text if FORMULA.match(text) else text


def unescape_formula(text: str) -> str:
    """Remove the apostrophe that `escape_formula`, or a person, put before a formula."""
    return text[1:] if text.startswith("'") and FORMULA.match(text[1:]) else text
