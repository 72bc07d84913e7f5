"""One cell, as people and other tools write it, made into the value it stands for.

The one cleaner for every way in: files of members, batches and activities, the API, and the `To` field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from webapp.domain.csv_files.cell_checks import INVISIBLE
from webapp.domain.csv_files.formula_escaping import unescape_formula
from webapp.domain.normalization import INVISIBLE as INVISIBLE_CHARACTERS
from webapp.messages import Message

# Joiners, tags and variation selectors belong to the letter or emoji before them: around an ID they are noise, at
# the end of a name they stay.
_SHAPING = re.compile("[\u200c\u200d\ufe00-\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef]*")
_FILLERS = re.compile("[\u115f\u1160\u2800\u3164\uffa0]+")  # letters, and a sign, that are blank

_TEXT_FORMULA = re.compile(r'=\s*"((?:[^"]|"")*+)"\s*')
_ERROR_VALUE = re.compile(
    r"#(?:N/A|N/D|N/V|NV|ND|I/T|YOK|H/A|Н/Д|N/DISP|SAKNAS!?|I/B|ERROR|GETTING_DATA)[!?]?"
    r"|#[^\W\d_][\w/.¡¿\xad ]{0,20}[!?]"
    r"|#[¡¿][\w/.]{1,20}[!?]"
    r"|#{2,}"
    r"|err:\d{3}",
    re.IGNORECASE,
)
"""What spreadsheets show in place of a result, in several languages; `###` is a column that is too narrow."""

NOT_AN_EMAIL = frozenset(
    ("-", "--", "---", "–", "—", "null", "(null)", "[null]", "<null>", "none", "nan", "nil", "n/a", "na", "n.a.")
)  # fmt: skip
"""What stands in an email column, folded, where there is no email."""

_PART = r"""(?:"[^"\r\n]*"|[^\s@<>()\[\]{},;:|"]+)"""
_HOST = r"""[^\s@<>()\[\]{},;:|"/\\?]+"""
_PLAIN_ADDRESS = re.compile(rf"[^\s@<>()\[\]{{}},;:|\"'/\\]+@{_HOST}")
_ADDRESS = re.compile(rf"{_PART}@{_HOST}")
_AROUND = re.compile(
    rf"(?:mailto:\s*)?({_PART}@{_HOST})(?:\?\S*|\s*\([^()@]*\))?"
    rf"|[^@]*[<(\[]\s*(?:mailto:\s*)?({_PART}@{_HOST})(?:\|[^>]*|\?[^\s>]*)?\s*[>)\]]",
    re.IGNORECASE,
)

TWO_EMAILS = Message("csv_files.two_emails")


class Address(NamedTuple):
    text: str
    problem: Message | None = None
    """Why the address can't be told, or None."""
    stands_for_none: str = ""
    """What the cell says in place of an address, such as `NULL`; `text` is "" then."""


def clean(text: str) -> str:
    """Return what an ID stands for; "" for a cell that counts as empty.

    Spaces and characters that nobody sees are not part of a cell that they stand around. `="00042"` is the text
    inside it, `'=1` is `=1`; an error value of a spreadsheet (`#N/A`) and the `\\N` of a database are empty.
    `NULL`, `None`, `nan` and `-` remain: people are called so.
    """
    if text.isascii() and text.isalnum():
        return text  # as most are
    return _unwrapped(trimmed(text), trimmed)


def clean_name(text: str) -> str:
    """Return what a username, a person's name, or any other free text stands for; "" if it counts as empty.

    As `clean`, but what shapes the last letter stays: the joiner that ends a word of Malayalam, the tags of a flag. A
    cell of blank letters (U+3164) stays too: it is filled, though nobody can see it (`normalization.is_visible`).
    """
    if text.isascii() and text.isalnum():
        return text
    return _unwrapped(trimmed_name(text), trimmed_name)


def email(text: str) -> Address:
    """Return the one address in a cell: a@x.org of `Anna <a@x.org>`, `mailto:a@x.org`, `<a@x.org>` and `a@x.org,`.

    `-`, `NULL`, `None`, `nan` and `n/a` count as empty. Two different addresses are a problem.
    Any other text is returned as it is: it is nobody's, and whoever needs an address has to look (`usable_email`).
    """
    if _PLAIN_ADDRESS.fullmatch(text) and text.isascii() and text.isprintable():
        return Address(text)
    cleaned = INVISIBLE.sub("", clean(text)).rstrip(",; \t\r\n").strip()
    if cleaned.casefold() in NOT_AN_EMAIL:
        return Address("", stands_for_none=cleaned)
    if cleaned.count("@") > 1:
        several = {address.strip("'/\\").casefold() for address in _ADDRESS.findall(cleaned)}
        if len(several) > 1:
            return Address(cleaned, TWO_EMAILS)
    return Address(_bare_address(cleaned))


def _bare_address(text: str) -> str:
    bare = text.strip("'`‘’“”«» ")
    if bare[:1] == bare[-1:] == '"':
        bare = bare[1:-1]
    match = _AROUND.fullmatch(bare)
    if match:
        return match[1] or match[2]
    if text.count("@") > 1 and (twice := _ADDRESS.findall(text)):
        return str(twice[0]).strip("'/\\")  # the same address, written twice
    return text


def usable_email(text: str) -> bool:
    """Return whether a text is one address, as `email` returns it."""
    return bool(_ADDRESS.fullmatch(text))


def trimmed(text: str) -> str:
    """Return the text without the spaces, and the characters that nobody sees, around it."""
    first, last = _ends(text)
    return text[first:last]


def trimmed_name(text: str) -> str:
    """Return a name as `trimmed`, with what shapes its last letter."""
    first, last = _ends(text)
    if first == last:
        match = _FILLERS.search(text)
        return match[0] if match else ""
    if not text[last - 1].isascii() and (shaping := _SHAPING.match(text, last)):
        last = shaping.end()
    return text[first:last]


def _ends(text: str) -> tuple[int, int]:
    """Return where the part of a text begins and ends that somebody may see."""
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


def _unwrapped(text: str, trim: Callable[[str], str]) -> str:
    if not text or (text[0] not in "='#\\\"eE"):
        return text
    if text[0] == "'":
        return trim(unescape_formula(text))
    if text[0] == "=" and (formula := _TEXT_FORMULA.fullmatch(text)):
        text = trim(formula[1].replace('""', '"'))
    return "" if text == "\\N" or _ERROR_VALUE.fullmatch(text) else text
