"""Opaque cursors: the position in a list, as text that clients pass back unchanged."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any

from webapp.database import LARGEST_ID
from webapp.domain.keyset_pagination import After

MOMENT_AND_ID = (datetime, int)


def encode(name: str, after: After | None) -> str | None:
    """The cursor of the list `name` for the position `after`; None at the end of the list."""
    if after is None:
        return None
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in after]
    text = json.dumps([name, *parts], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(name: str, cursor: str | None, *types: type) -> After | None:
    """The position that a cursor of the list `name` holds; raises ValueError if it is not one."""
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode()
        list_name, *parts = json.loads(text)
        if list_name != name or len(parts) != len(types):
            raise ValueError(cursor)
        return tuple(_part(part, type_) for part, type_ in zip(parts, types, strict=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise ValueError("This cursor is invalid. Start again without one.") from None


def _part(part: Any, type_: type) -> Any:
    if type_ is datetime:
        moment = datetime.fromisoformat(part)
        if moment.tzinfo is None or not 1900 < moment.year < 3000:
            raise ValueError(part)
        return moment
    if isinstance(part, int) and type_ is int and 0 <= part <= LARGEST_ID:
        return part
    if isinstance(part, str) and type_ is str and "\x00" not in part:
        part.encode()  # raises ValueError for a lone surrogate
        return part
    raise ValueError(part)
