"""Convert a cell, as written by people and other tools, to its value.

Used by every input: files of members, batches and activities, the API, and the `To` field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from webapp.domain.csv_files.cell_checks import INVISIBLE
from webapp.domain.csv_files.formula_escaping import unescape_formula
from webapp.domain.normalization import INVISIBLE as INVISIBLE_CHARACTERS
from webapp.messages import Message

# Joiners, tags and variation selectors belong to the preceding letter or emoji: noise around an ID, but part of a name.
_SHAPING = re.compile("[\u200c\u200d\ufe00-\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef]*")
_FILLERS = re.compile("[\u115f\u1160\u2800\u3164\uffa0]+")  # letters and a sign that look blank

_TEXT_FORMULA = re.compile(r'=\s*"((?:[^"]|"")*+)"\s*')
_ERROR_VALUE = re.compile(
    r"#(?:N/A|N/D|N/V|NV|ND|I/T|YOK|H/A|Н/Д|N/DISP|SAKNAS!?|I/B|ERROR|GETTING_DATA)[!?]?"
    r"|#[^\W\d_][\w/.¡¿\xad ]{0,20}[!?]"
    r"|#[¡¿][\w/.]{1,20}[!?]"
    r"|#{2,}"
    r"|err:\d{3}",
    re.IGNORECASE,
)
"""Error values of spreadsheets in several languages; `###` is a column that is too narrow."""

NOT_AN_EMAIL = frozenset(
    ("-", "--", "---", "–", "—", "null", "(null)", "[null]", "<null>", "none", "nan", "nil", "n/a", "na", "n.a.")
)  # fmt: skip
"""Folded placeholders for a missing email."""

_PART = r"""(?:"[^"\r\n]*"|[^\s@<>()\[\]{},;:|"]+)"""
_HOST = r"""[^\s@<>()\[\]{},;:|"/\\?]+"""
_PLAIN_ADDRESS = re.compile(rf"(?=[!-~]+\Z)[^\s@<>()\[\]{{}},;:|\"'/\\]+@{_HOST}")
_ADDRESS = re.compile(rf"{_PART}@{_HOST}")
_AROUND = re.compile(
    rf"(?:mailto:\s*)?({_PART}@{_HOST})(?:\?\S*|\s*\([^()@]*\))?"
    rf"|[^@]*[<(\[]\s*(?:mailto:\s*)?({_PART}@{_HOST})(?:\|[^>]*|\?[^\s>]*)?\s*[>)\]]",
    re.IGNORECASE,
)

_PLAIN = re.compile(r"(?!['\"=#\\]|err:)[!-~](?:[ -~]*[!-~])?", re.IGNORECASE)
"""Text that needs no cleaning."""

TWO_EMAILS = Message("csv_files.two_emails")


class Address(NamedTuple):
    text: str
    problem: Message | None = None
    """Why the address is invalid, or None."""
    stands_for_none: str = ""
    """A placeholder instead of an address, such as `NULL`; then `text` is ""."""


def clean(text: str) -> str:
    """Return the ID in a cell; "" if the cell counts as empty.

    Removes surrounding spaces and invisible characters. `="00042"` is the text inside it, `'=1` is `=1`; a
    spreadsheet's error value (`#N/A`) and a database's `\\N` are empty. `NULL`, `None`, `nan` and `-` are names and
    remain.
    """
    if _PLAIN.fullmatch(text):
        return text  # the usual case
    return _unwrap(trimmed(text), trimmed)


def clean_name(text: str) -> str:
    """Return a username, a person's name or other free text; "" if it counts as empty.

    Like `clean`, but keeps what shapes the last letter: the joiner at the end of a Malayalam word, the tags of a flag.
    Keeps cells of blank letters (U+3164), too: they are filled, though invisible (`normalization.is_visible`).
    """
    if _PLAIN.fullmatch(text):
        return text
    return _unwrap(trimmed_name(text), trimmed_name)


def clean_all(texts: Sequence[str], clean_one: Callable[[str], str]) -> Sequence[str]:
    """Return the texts of a column, each as `clean` or `clean_name` returns it."""
    together = "".join(texts)
    if not together or (together.isascii() and together.isalnum()):
        return texts
    return list(map(clean_one, texts))


def email(text: str) -> Address:
    """Return the only address in a cell: a@x.org for `Anna <a@x.org>`, `mailto:a@x.org`, `<a@x.org>` and `a@x.org,`.

    `-`, `NULL`, `None`, `nan` and `n/a` count as empty. Two different addresses are a problem. Any other text is
    returned unchanged; callers that need an address must check `usable_email`.
    """
    if is_plain_address(text):
        return Address(text)
    cleaned = INVISIBLE.sub("", clean(text)).rstrip(",; \t\r\n").strip()
    if cleaned.casefold() in NOT_AN_EMAIL:
        return Address("", stands_for_none=cleaned)
    if cleaned.count("@") > 1:
        several = {address.strip("'/\\").casefold() for address in _ADDRESS.findall(cleaned)}
        if len(several) > 1:
            return Address(cleaned, TWO_EMAILS)
    return Address(_bare_address(cleaned))


def is_plain_address(text: str) -> bool:
    """True if `email` returns the text unchanged, as it does for most."""
    return _PLAIN_ADDRESS.fullmatch(text) is not None


def _bare_address(text: str) -> str:
    bare = text.strip("'`‘’“”«» ")
    if bare[:1] == bare[-1:] == '"':
        bare = bare[1:-1]
    match = _AROUND.fullmatch(bare)
    if match:
        return match[1] or match[2]
    if text.count("@") > 1 and (twice := _ADDRESS.findall(text)):
        return str(twice[0]).strip("'/\\")  # the same address twice
    return text


def usable_email(text: str) -> bool:
    """True if a text is one address, as `email` returns it."""
    return bool(_ADDRESS.fullmatch(text))


def trimmed(text: str) -> str:
    """Remove surrounding spaces and invisible characters."""
    first, last = _ends(text)
    return text[first:last]


def trimmed_name(text: str) -> str:
    """Trim a name as `trimmed` does, but keep what shapes its last letter."""
    first, last = _ends(text)
    if first == last:
        match = _FILLERS.search(text)
        return match[0] if match else ""
    if not text[last - 1].isascii() and (shaping := _SHAPING.match(text, last)):
        last = shaping.end()
    return text[first:last]


def _ends(text: str) -> tuple[int, int]:
    """Return the start and end of the visible part of a text."""
    first, last = 0, len(text)
    while first < last and _blank(text[first]):
        first += 1
    while last > first and _blank(text[last - 1]):
        last -= 1
    return first, last


def _blank(character: str) -> bool:
    if "!" <= character <= "~":
        return False
    return (
        character.isspace()
        or INVISIBLE.match(character) is not None
        or INVISIBLE_CHARACTERS.match(character) is not None
        or character == "\u2800"
    )


def _unwrap(text: str, trim: Callable[[str], str]) -> str:
    if not text or (text[0] not in "='#\\\"eE"):
        return text
    if text[0] == "'":
        return trim(unescape_formula(text))
    if text[0] == "=" and (formula := _TEXT_FORMULA.fullmatch(text)):
        text = trim(formula[1].replace('""', '"'))
    return "" if text == "\\N" or _ERROR_VALUE.fullmatch(text) else text
