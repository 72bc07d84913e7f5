"""What rules and conditions are in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webapp.domain.plurals import counted, plural
from webapp.models.rule import ConditionKind


def of(condition: Any) -> str:
    """A condition, kept or only asked for, in a sentence: `50 answers`, `30 days since joining`, `holding Helper`."""
    if condition.kind == ConditionKind.QUEST:
        return f"holding {condition.required.title}" if condition.required else "holding a badge"
    if condition.kind == ConditionKind.DAYS:
        return f"{plural(condition.amount, 'day')} since joining"
    return counted(condition.amount, (condition.activity or "").replace("_", " "))


def sentence(conditions: Iterable[Any], any_of: bool) -> str:
    parts = [of(condition) for condition in conditions]
    word = " or " if any_of else " and "
    return word.join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
