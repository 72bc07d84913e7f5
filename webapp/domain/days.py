"""Days as a viewer counts them: from midnight to midnight in a time zone, across changes of the clock."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
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


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
