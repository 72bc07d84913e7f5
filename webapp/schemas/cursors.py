"""Cursors: where a list goes on, as a text that means nothing to whoever passes it back."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any

from webapp.database import LARGEST_ID
from webapp.domain.keyset_pagination import After

MOMENT_AND_ID = (datetime, int)


def written(name: str, after: After | None) -> str | None:
    """The cursor of the list `name` that leads to `after`; None at the list's end."""
    if after is None:
        return None
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in after]
    text = json.dumps([name, *parts], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(name: str, cursor: str | None, *kinds: type) -> After | None:
    """The place that a cursor of the list `name` leads to; raises ValueError if it isn't one."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode()
        listed, *parts = json.loads(text)
        if listed != name or len(parts) != len(kinds):
            raise ValueError(cursor)
        return tuple(_part(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise ValueError("This cursor leads nowhere; begin without one.") from None


def _part(part: Any, kind: type) -> Any:
    if kind is datetime:
        moment = datetime.fromisoformat(part)
        if moment.tzinfo is None or not 1900 < moment.year < 3000:
            raise ValueError(part)
        return moment
    if isinstance(part, int) and kind is int and 0 <= part <= LARGEST_ID:
        return part
    if isinstance(part, str) and kind is str and "\x00" not in part:
        part.encode()  # half a character is a ValueError
        return part
    raise ValueError(part)
