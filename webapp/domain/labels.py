"""Names given by staff: of badges, quests, batches, API keys and people who sign in."""

from __future__ import annotations

import re

from webapp.domain.errors import DomainError
from webapp.domain.normalization import is_visible

MAX_LENGTH = 120

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Bidirectional embeddings, overrides and isolates: they can make a name read as another one.

Direction marks and joiners inside words are not among them: names in Arabic, Hebrew or Persian need those.
"""


def validate(name: str, missing: str = "", field: str = "name") -> str:
    """Return the name on one line, without spaces around it.

    If it is blank, raises DomainError with the code `missing`, or returns "" without one. Raises DomainError if it is
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
    """Raise DomainError for a text that is too long or has a NUL, which no database keeps."""
    if len(text) > longest:
        raise DomainError(f"names.{what}_too_long", field, length=len(text), limit=longest)
    if "\x00" in text:
        raise DomainError(f"names.{what}_nul", field)


def from_text(text: str) -> str:
    """Return a name made of another text, such as a reason: cut to a name's length, without what names can't have."""
    kept = REORDERING.sub("", CONTROL.sub(" ", text))
    name = " ".join(kept.split())[:MAX_LENGTH].strip()
    return name if is_visible(name) else ""
