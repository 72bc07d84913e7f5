"""Names given by staff to badges, quests, batches, API keys and accounts."""

from __future__ import annotations

import re

from webapp.domain.errors import DomainError
from webapp.domain.normalization import is_visible

MAX_LENGTH = 120

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Bidirectional embeddings, overrides and isolates: they can make a name read as another one. Direction marks and
joiners inside words are allowed: names in Arabic, Hebrew or Persian need them."""


def validate(name: str, missing: str = "", field: str = "name") -> str:
    """Return the name on one line, trimmed.

    For a blank name, raises DomainError with the code `missing`, or returns "" without one. Raises DomainError if it is
    too long, has no visible characters, or contains characters that reorder text or can't be stored.
    """
    name = " ".join(name.split())
    if not name:
        if missing:
            raise DomainError(missing, field)
        return ""
    validate_text(name, "name", MAX_LENGTH, field)
    if CONTROL.search(name):
        raise DomainError("names.control_character", field)
    if match := REORDERING.search(name):
        raise DomainError("names.reorders_text", field, character=f"U+{ord(match[0]):04X}")
    if not is_visible(name):
        raise DomainError("names.invisible", field)
    return name


def validate_text(text: str, what: str, longest: int, field: str) -> None:
    """Raise DomainError if a text is too long or contains NUL, which no database stores."""
    if len(text) > longest:
        raise DomainError(f"names.{what}_too_long", field, length=len(text), limit=longest)
    if "\x00" in text:
        raise DomainError(f"names.{what}_nul", field)


def from_text(text: str) -> str:
    """Make a name from another text, such as a reason: truncated, and without characters that names can't have."""
    kept = REORDERING.sub("", CONTROL.sub(" ", text))
    name = " ".join(kept.split())[:MAX_LENGTH].strip()
    return name if is_visible(name) else ""
