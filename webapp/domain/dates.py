"""A viewer's days: from midnight to midnight in a time zone, across clock changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache
from typing import overload
from zoneinfo import ZoneInfo, available_timezones

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
YEARS = range(1900, 3000)

_ZONE = r"(?P<zone>[Zz]|[A-Za-z]{2,3}|[+\-\u2212][0-9]{2}(?::?[0-9]{2})?)"
_TIME = r"(?P<hour>[0-9]{1,2})(?::?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2}))?)?(?:[.,](?P<fraction>[0-9]+))?"
# ISO 8601: calendar, ordinal and week dates, extended or basic; leading zeros of month and day are optional.
_ISO = re.compile(
    r"(?P<year>[0-9]{4})"
    r"(?:-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})|(?P<month_>[0-9]{2})(?P<day_>[0-9]{2})"
    r"|-(?P<ordinal>[0-9]{3})|-?W(?P<week>[0-9]{2})-?(?P<weekday>[1-7]))"
    rf"(?:(?:[Tt]|\s+){_TIME}(?:\s*{_ZONE})?)?"
)
# RFC 2822, also a date alone, with the month in letters; ignores a trailing comment.
_LETTERS = re.compile(
    r"(?:[A-Za-z]{3,9}\.?,?\s+)?(?:(?P<day>[0-9]{1,2})[\s\-]+(?P<month>[A-Za-z]{3,9})\.?,?[\s\-]+"
    r"|(?P<month_>[A-Za-z]{3,9})\.?\s+(?P<day_>[0-9]{1,2}),?\s+)(?P<year>[0-9]{4})"
    rf"(?:,?\s+{_TIME}(?:\s*{_ZONE})?)?(?:\s*\([^()]*\))?"
)
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_ZONES = {"": 0, "z": 0, "ut": 0, "utc": 0, "gmt": 0}
_ZONES |= {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
_LONGEST = 100  # characters; longer texts are not dates


def parse_day(text: str) -> date | None:
    """Parse a day such as `2026-11-22`; None if it is invalid or outside the supported years."""
    if not DAY.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in YEARS else None


def parse_zone(name: str) -> ZoneInfo | None:
    """Return a time zone such as `Europe/Berlin`; None if unknown."""
    return ZoneInfo(name) if name in _zones() else None


def start_of_day(day: date, zone: tzinfo | None = None) -> datetime:
    """Return the first moment of a day in a zone (UTC by default)."""
    return datetime.combine(day, time(), zone or UTC).astimezone(UTC)


def end_of_day(day: date, zone: tzinfo | None = None) -> datetime:
    """Return the first moment after a day."""
    return start_of_day(day + timedelta(days=1), zone)


@dataclass(frozen=True)
class ParsedMoment:
    """A time in a file: precise to the second, or only a day, then in UTC."""

    at: datetime
    whole_day: bool

    def names(self, moment: datetime | None) -> bool:
        """True if the file adds nothing to this stored time."""
        if moment is None:
            return False
        if self.whole_day:
            return moment.astimezone(UTC).date() == self.at.date()
        return moment.replace(microsecond=0) == self.at.replace(microsecond=0)


def parse_moment(text: str) -> ParsedMoment | None:
    """Parse a cell in any form of ISO 8601 or in RFC 2822, in UTC if it has no zone.

    Returns None for anything else: ambiguous dates (`03/04/2021`), Unix times, serial numbers of spreadsheets.
    """
    text = text.strip()
    if day := parse_day(text):
        return ParsedMoment(start_of_day(day), True)
    if len(text) > _LONGEST:
        return None
    match = _ISO.fullmatch(text) or _LETTERS.fullmatch(text)
    if match is None:
        return None
    parts = match.groupdict()
    try:
        day = _date(parts)
        at = datetime.combine(day, time(), _offset(parts["zone"] or "")) + _since_midnight(parts)
    except (ValueError, OverflowError):
        return None
    if day.year not in YEARS:
        return None
    return ParsedMoment(at.astimezone(UTC), parts["hour"] is None)


def _date(parts: dict[str, str | None]) -> date:
    year = int(parts["year"] or 0)
    if parts.get("week"):
        return date.fromisocalendar(year, int(parts["week"] or 0), int(parts["weekday"] or 0))
    if parts.get("ordinal"):
        day = date(year, 1, 1) + timedelta(days=int(parts["ordinal"] or 0) - 1)
        if day.year != year:
            raise ValueError("no such day of the year")
        return day
    month, day_ = parts["month"] or parts["month_"] or "", parts["day"] or parts["day_"] or ""
    return date(year, int(month) if month.isdigit() else _month(month), int(day_))


def _month(name: str) -> int:
    """Return the number of an English month, full or abbreviated. Raises ValueError."""
    name = name.casefold()
    for number, month in enumerate(_MONTHS, start=1):
        if month == name or (month[:3] == name) or (name == "sept" and number == 9):
            return number
    raise ValueError("no such month")


def _since_midnight(parts: dict[str, str | None]) -> timedelta:
    """Return the time of day in a match; 24:00 is the day's end. Raises ValueError if it is invalid."""
    if parts["hour"] is None:
        return timedelta()
    values = [parts["hour"], parts["minute"], parts["second"]]
    hour, minute, second = (int(part or 0) for part in values)
    second = 59 if second == 60 else second  # a leap second
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        raise ValueError("no such time")
    unit = (timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
    last = max(place for place, part in enumerate(values) if part is not None)
    share = float(f"0.{(parts['fraction'] or '0')[:9]}")
    micros = int(unit[last] / timedelta(microseconds=1) * share)
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros)


def _offset(zone: str) -> timezone:
    if zone[:1] in ("+", "-", "\u2212"):
        digits = zone[1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
        return timezone(offset if zone[0] == "+" else -offset)
    if zone.casefold() not in _ZONES:
        raise ValueError("no such zone")
    return timezone(timedelta(hours=_ZONES[zone.casefold()]))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@overload
def moment(at: datetime) -> str: ...
@overload
def moment(at: None) -> None: ...
def moment(at: datetime | None) -> str | None:
    """Format a time for the API: RFC 3339 in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
