"""The viewer's time zone, from a cookie that the pages' script keeps current."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flask import request

from webapp.domain import dates

COOKIE = "zone"


def viewer_zone() -> ZoneInfo | None:
    """Return the viewer's time zone; None, which means UTC, if it isn't known."""
    return dates.parse_zone(request.cookies.get(COOKIE, ""))
