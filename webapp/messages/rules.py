"""Put rules into words, from the conditions stored with an award or in the audit log."""

from __future__ import annotations

import json
from typing import Any

from webapp.messages import message
from webapp.messages.plurals import counted

Condition = list[Any]
"""`["days", 30]`, `["activity", 50, "answers"]`, `["quest", "Helper"]`, or `["text", …]` of an earlier version."""


def pack(conditions: list[Condition], *, any_of: bool = False) -> str:
    """Return conditions as one text to store."""
    return json.dumps({"any" if any_of else "all": conditions}, ensure_ascii=False)


def unpack(stored: str) -> str:
    """Return the words of a stored rule: `50 answers and 30 days as a member`."""
    if not stored.startswith("{"):  # a worker of an earlier version stored words
        return stored
    (word, conditions), *_ = json.loads(stored).items()
    return join([describe(condition) for condition in conditions], any_of=word == "any")


def describe(condition: Condition) -> str:
    """Return one condition in words."""
    kind, value, *more = condition
    if kind == "days":
        return str(message("rules.days", days=value))
    if kind == "quest":
        return str(
            message("rules.has_badge", badge=value) if value else message("rules.has_any_badge")
        )
    if kind == "text":
        return str(value)
    return counted(value, str(more[0]).replace("_", " "))


def join(parts: list[str], *, any_of: bool) -> str:
    """Return conditions in one phrase: `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    code = "rules.any" if any_of else "rules.all"
    return str(message(code, others=", ".join(parts[:-1]), last=parts[-1]))
