"""Describe rules and conditions in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webapp.messages import rules
from webapp.models.rule import ConditionKind


def describe(condition: Any) -> str:
    """Describe a condition of a rule or draft: `50 answers`, `30 days as a member`, `having Helper`."""
    return rules.describe(pack_condition(condition))


def pack_condition(condition: Any) -> rules.Condition:
    """Convert a condition to the form that `webapp.messages.rules` stores."""
    if condition.kind == ConditionKind.QUEST:
        return ["quest", condition.required.title if condition.required else ""]
    if condition.kind == ConditionKind.DAYS:
        return ["days", condition.amount]
    return ["activity", condition.amount, condition.activity or ""]


def pack(conditions: Iterable[Any], *, any_of: bool = False) -> str:
    """Serialize a whole rule; `webapp.messages.rules.unpack` returns its words."""
    return rules.pack([pack_condition(condition) for condition in conditions], any_of=any_of)
