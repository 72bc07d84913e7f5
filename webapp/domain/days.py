"""Days as a viewer counts them: from midnight to midnight in a time zone, across changes of the clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{5,15}(Z|[+-][0-9]{2}:?[0-9]{2})?")
YEARS = range(1900, 3000)


def day_of(text: str) -> date | None:
    """The day that `2026-11-22` names; None for what is no day, or is far out of our time."""
    if not DAY.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in YEARS else None


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of this name, such as `Europe/Berlin`; None for an unknown one."""
    return ZoneInfo(name) if name in _zones() else None


def begin(day: date, zone: tzinfo | None = None) -> datetime:
    """The first moment of a day in a zone (UTC without one); the next day's is where it ends."""
    return datetime.combine(day, time(), zone or UTC).astimezone(UTC)


def end(day: date, zone: tzinfo | None = None) -> datetime:
    """The first moment that is no longer of this day."""
    return begin(day + timedelta(days=1), zone)


@dataclass(frozen=True)
class Given:
    """When something was, as a file has it: to the second, or by the day alone, which then is one of UTC."""

    at: datetime
    whole_day: bool

    def names(self, moment: datetime | None) -> bool:
        """Whether it says of a moment all that it can say: the file tells nothing new."""
        if moment is None:
            return False
        if self.whole_day:
            return moment.astimezone(UTC).date() == self.at.date()
        return moment.replace(microsecond=0) == self.at.replace(microsecond=0)


def given(text: str) -> Given | None:
    """The moment or day that `2026-11-22`, `2026-11-22 09:12` or `2026-11-22T09:12:00Z` names; else None.

    Without a zone it is UTC.
    """
    if day := day_of(text):
        return Given(begin(day), True)
    if not MOMENT.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at.replace(tzinfo=at.tzinfo or UTC)
    return Given(at.astimezone(UTC), False) if at.year in YEARS else None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
