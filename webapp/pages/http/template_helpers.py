"""Helpers for templates: icons, numbers, times, and how badges and people are drawn."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from flask import request
from lucide import IconDoesNotExist
from lucide.jinja import lucide
from markupsafe import Markup

from webapp.messages import text_of
from webapp.messages.plurals import plural
from webapp.pages.http.request_args import printable

if TYPE_CHECKING:
    from flask import Flask

# The index in this list is the number in the class `hue-N`. The last two are for avatars only.
COLOURS = ("green", "blue", "amber", "red", "violet", "teal", "pink", "orange", "slate", "gold")
HUES = len(COLOURS) + 2

# Outlines in a 64 × 64 box. The icon's box is (corner, side): pointed shapes leave less room.
SHAPES = {
    "shield": "M32 4 56 12v19c0 14.5-9.8 24.5-24 29.5C17.8 55.5 8 45.5 8 31V12z",
    "hexagon": "M32 4 56.2 18v28L32 60 7.8 46V18z",
    "circle": "M32 4a28 28 0 1 1 0 56 28 28 0 0 1 0-56z",
    "star": "M32 4 43.5 18.2 60.5 24.7 50.5 40 49.6 58.3 32 53.5 14.4 58.3 13.5 40 "
    "3.5 24.7 20.5 18.2z",
    "rosette": "M32 6A7.5 7.5 0 0 1 45 9.5 7.5 7.5 0 0 1 54.5 19 7.5 7.5 0 0 1 58 32 "
    "7.5 7.5 0 0 1 54.5 45 7.5 7.5 0 0 1 45 54.5 7.5 7.5 0 0 1 32 58 "
    "7.5 7.5 0 0 1 19 54.5 7.5 7.5 0 0 1 9.5 45 7.5 7.5 0 0 1 6 32 "
    "7.5 7.5 0 0 1 9.5 19 7.5 7.5 0 0 1 19 9.5 7.5 7.5 0 0 1 32 6z",
    "diamond": "M32 4 60 32 32 60 4 32z",
}
ICON_BOXES = {"star": (20.5, 23), "diamond": (20.5, 23)}
DEFAULT_ICON_BOX = (19.0, 26)

FALLBACK_ICON = "circle"


@dataclass(frozen=True)
class BadgeArt:
    """How to draw a badge: outline, hue, and an icon or a letter; or the URL of its image."""

    outline: str
    hue: int
    icon: Markup | None
    letter: str
    image: str = ""  # without the file extension


@dataclass(frozen=True)
class Avatar:
    """How to draw a person without a picture: one or two letters on a hue."""

    initials: str
    hue: int


@lru_cache(maxsize=1024)
def icon(name: str, css: str = "", **attributes: object) -> Markup:
    """A Lucide icon as inline SVG, hidden from screen readers; a circle if the name is unknown."""
    try:
        return _svg(name, css, attributes)
    except IconDoesNotExist:
        return _svg(FALLBACK_ICON, css, attributes)


@lru_cache(maxsize=1024)
def has_icon(name: str) -> bool:
    try:
        lucide(name)
    except IconDoesNotExist:
        return False
    return True


def number(value: int | None) -> str:
    """Format a whole number with thousands separators: 4920 → `4,920`; "" for None."""
    return "" if value is None else f"{value:,}"


def exact_time(value: datetime) -> str:
    at = _in_utc(value)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def iso_time(value: datetime) -> str:
    """Format a moment for the attribute `datetime`, in UTC to the second: `2026-11-22T09:12:00Z`."""
    return f"{_in_utc(value):%Y-%m-%dT%H:%M:%SZ}"


def avatar_of(person: Any) -> Avatar:
    """Initials from a person's name, and a hue that is always the same for the same id."""
    name = str(getattr(person, "display_name", "") or getattr(person, "name", "") or "?")
    identity = getattr(person, "id", None)
    return Avatar(initials_of(name), crc32(str(identity or name).encode()) % HUES)


def initials_of(name: str) -> str:
    """One or two letters for a name: from the first and last word, or the first two of a single word."""
    words = [signs for word in name.split() if (signs := _signs(word))]
    if not words:
        return "?"
    pair = words[0][:2] if len(words) == 1 else [words[0][0], words[-1][0]]
    return "".join(pair).upper()


def art_of(badge: Any) -> BadgeArt:
    """How to draw a badge. Unknown shapes, colors and icons fall back to existing ones."""
    shape = badge.shape if badge.shape in SHAPES else "circle"
    colour = badge.colour if badge.colour in COLOURS else "slate"
    corner, side = ICON_BOXES.get(shape, DEFAULT_ICON_BOX)
    drawing = None
    if badge.icon and has_icon(badge.icon):
        drawing = icon(badge.icon, "art-icon", width=side, height=side, x=corner, y=corner)
    letter = initials_of(badge.name or "?")[:1]
    hashed = getattr(badge, "art_hash", "")
    image = f"{request.script_root}/badges/{badge.id}/images/{badge.art_hash}" if hashed else ""
    return BadgeArt(SHAPES[shape], COLOURS.index(colour), drawing, letter, image)


def _finalize(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        number=number, plural=plural, exact_time=exact_time, iso_time=iso_time, sentence=text_of
    )
    app.jinja_env.finalize = _finalize
    app.jinja_env.globals.update(
        icon=icon, avatar_of=avatar_of, art_of=art_of, hue_of=COLOURS.index, outlines=SHAPES
    )


def _svg(name: str, css: str, attributes: dict[str, object]) -> Markup:
    drawn = {"class": f"icon {css}".strip(), "aria-hidden": "true", **attributes}
    size = drawn.pop("width", 16)
    svg = lucide(name, size=size if isinstance(size, int) else 16, **drawn)
    return Markup("".join(line.strip() for line in svg.splitlines()))


def _signs(word: str) -> list[str]:
    signs: list[str] = []
    for character in word:
        kind = unicodedata.category(character)[0]
        if kind == "M" and signs:
            signs[-1] += character
        elif kind in "LN":
            signs.append(character)
    return signs


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
