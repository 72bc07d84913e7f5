"""Recognize how a spreadsheet changed an ID or username, and what it may have been.

Spreadsheets shorten long numbers, add `.0` and thousands separators, drop leading zeros, and read names as dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from webapp.domain.csv_files.sheet import shown
from webapp.messages import Message

SHORTENED = re.compile(r"\d(?:[.,]\d+)?[Ee]\+\d{1,3}")
ROUNDED = re.compile(r"[1-9]\d{14}00+")
_FLOAT = re.compile(r"(\d{1,20})[.,]0{1,2}")
_GROUPED = re.compile(
    r"(\d{1,3}(?:(?P<sign>[.,'’_ \xa0\u2009\u202f])\d{3})(?:(?P=sign)\d{3}){0,5})(?:[.,]00?)?"
)
_NUMBER = re.compile(r"\d{1,20}")

_MONTHS = (
    ("jan", "january", "januar", "janvier"),
    ("feb", "february", "februar"),
    ("mar", "march", "mrz", "märz", "mär", "mars"),
    ("apr", "april", "avr"),
    ("may", "mai"),
    ("jun", "june", "juni", "juin"),
    ("jul", "july", "juli", "juil"),
    ("aug", "august", "août"),
    ("sep", "september", "sept"),
    ("oct", "october", "okt", "oktober"),
    ("nov", "november"),
    ("dec", "december", "dez", "dezember", "déc"),
)
_MONTH_OF = {name: place for place, names in enumerate(_MONTHS) for name in names}
_DAY_MONTH = re.compile(r"(\d{1,2})[-. /]{1,2}([^\W\d_]{3,9})\.?(?:[-. /]\d{2,4})?")
_MONTH_DAY = re.compile(r"([^\W\d_]{3,9})[-. /]{1,2}(\d{1,2}|\d{4})")
_NUMERIC = re.compile(r"(\d{1,4})([-./])(\d{1,2})\2(\d{1,4})(?: 0?0:00(?::00)?)?")


WIDEST = 20  # digits of an ID to pad with zeros


class Hint(NamedTuple):
    """What a spreadsheet seems to have done to a value."""

    kind: str
    """`shortened`, `number` or `date`."""
    likely: str = ""
    """The original value, if one is far likelier than any other."""

    def message(self, value: str) -> Message:
        """Return the hint for a value: `4821.0 looks like a number from a spreadsheet. Did you mean 4821?`."""
        return Message(
            f"csv_files.hint_{self.kind}", {"value": shown(value), "likely": self.likely}
        )


def shortened(text: str) -> bool:
    """True if a spreadsheet has shortened this number (`1.23457E+17`, C74).

    Spreadsheets keep 15 digits, so the digits of longer numbers become zeros.
    """
    return bool(SHORTENED.fullmatch(text) or ROUNDED.fullmatch(text))


def may_be_shortened(texts: Sequence[str]) -> bool:
    """False if `shortened` is false for all texts, which is faster to find out for all at once."""
    return max(map(len, texts), default=0) >= 17 or "+" in "".join(texts)


def hint(text: str) -> Hint | None:
    """Return what a spreadsheet seems to have done to an ID or username, or None.

    The value may still be real: use this only if it matches no member, or before creating one.
    """
    if not text or not (text[0].isdigit() or text[-1].isdigit()):
        return None
    if shortened(text):
        return Hint("shortened")
    if found := _FLOAT.fullmatch(text):
        return Hint("number", found[1])
    if found := _GROUPED.fullmatch(text):
        digits = re.sub(r"\D", "", found[1])
        return Hint("number", digits)
    if _date(text):
        return Hint("date")
    return None


def originals(text: str) -> list[str]:
    """Return up to a few dozen values that a spreadsheet may have changed to this one, likeliest first."""
    found = dict.fromkeys(_originals(text))
    found.pop(text, None)
    return list(found)


def between(text: str) -> tuple[str, str] | None:
    """Return the range of numbers that a spreadsheet may have shortened to this, or None.

    Both ends have the same number of digits. Numbers of 16 digits and more are rounded, too, without a sign of it.
    """
    if SHORTENED.fullmatch(text):
        mantissa, _, power = text.replace(",", ".").upper().partition("E+")
        places = int(power) - len(mantissa.partition(".")[2])  # lost digits
        if not 0 < places < 60 or len(mantissa) < 5:  # fewer than four digits tell too little
            return None
        middle, unit = int(Decimal(text.replace(",", "."))), 10**places
    elif text.isascii() and text.isdigit() and 16 <= len(text) <= 60 and text[0] != "0":
        middle, unit = int(text), 10 ** (len(text) - 15)
    else:
        return None
    least, greatest = max(middle - unit, 1), middle + unit
    width = len(str(middle))
    return str(least).rjust(width, "0"), str(min(greatest, 10**width - 1))


def _originals(text: str) -> Iterator[str]:
    found = hint(text)
    if found and found.likely:
        yield found.likely
        yield from _with_zeros(found.likely)
    elif found and found.kind == "date":
        yield from _date(text)
    elif SHORTENED.fullmatch(text):
        yield from _expand(text)
    elif _NUMBER.fullmatch(text):
        yield from _with_zeros(text)
        if text.startswith("0"):
            yield text.lstrip("0") or "0"


def _with_zeros(digits: str) -> Iterator[str]:
    return (digits.rjust(width, "0") for width in range(len(digits) + 1, WIDEST + 1))


def _expand(text: str) -> Iterator[str]:
    """Yield what `1.00E+05` may have been: 100000, 1e5, 10e4, 1e05."""
    mantissa, _, power = text.replace(",", ".").upper().partition("E+")
    whole, _, places = mantissa.partition(".")
    digits, exponent = (whole + places).rstrip("0") or "0", int(power)
    least = exponent - (len((whole + places).rstrip("0")) - 1)
    if least >= 0 and exponent < 60:
        yield digits + "0" * least
    for zeros in range(4):
        if least - zeros < 0:
            break
        number, rest = digits + "0" * zeros, least - zeros
        for letter, written in product("eE", dict.fromkeys((f"{rest}", f"{rest:02}", f"+{rest}"))):
            yield f"{number}{letter}{written}"


def _date(text: str) -> list[str]:
    """Return what may have been read as this date; empty if it isn't one."""
    if found := _DAY_MONTH.fullmatch(text):
        day, month = int(found[1]), _MONTH_OF.get(found[2].casefold())
        return [] if month is None or not 1 <= day <= 31 else list(_date_spellings(month, str(day)))
    if found := _MONTH_DAY.fullmatch(text):
        month = _MONTH_OF.get(found[1].casefold())
        return [] if month is None else list(_date_spellings(month, found[2]))
    if (found := _NUMERIC.fullmatch(text)) and len(found[1]) + len(found[4]) >= 5:
        numbers = [int(found[1]), int(found[3]), int(found[4])]
        day, second = (numbers[2], numbers[1]) if len(found[1]) == 4 else numbers[:2]
        pairs = [(second, day), (day, second)]
        return [
            spelling
            for month, in_month in pairs
            if 1 <= month <= 12 and 1 <= in_month <= 31
            for spelling in _date_spellings(month - 1, str(in_month))
        ]
    return []


def _date_spellings(month: int, number: str) -> Iterator[str]:
    """Yield spellings of a month and a number that a spreadsheet reads as a date: MAR1, 1-mar, 3-1."""
    numbers = dict.fromkeys((number.lstrip("0") or "0", number, number.zfill(2)))
    if len(number) == 2 and number.isdigit():
        numbers[f"20{number}"] = numbers[f"19{number}"] = None
    for name in _MONTHS[month]:
        for digits, sign in product(numbers, ("", "-", "/", " ", ".", "_")):
            for left, right in ((name, digits), (digits, name)):
                for spelled in (str.upper, str.title, str.lower):
                    yield spelled(f"{left}{sign}{right}")
    for digits, sign in product(numbers, "-/."):
        for this in (str(month + 1), f"{month + 1:02}"):
            yield f"{this}{sign}{digits}"
            yield f"{digits}{sign}{this}"
