"""Our sentences for the values that pydantic rejects: it never speaks to callers of the API itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webapp.messages.plurals import plural

Context = dict[str, Any]

OTHER = "This value is invalid."
PATTERNS = {
    r"^[^\x00]*$": "This must not contain the character NUL.",
    r"^[A-Za-z0-9_.:\-]+$": "Use only a to z, 0 to 9 and _ . : -",
    r"^[^\s@\x00]+@[^\s@\x00]+$": "This must be an email address.",
}
OFFSET = "This must be a time in RFC 3339 with its offset from UTC, such as 2026-05-04T10:20:00Z."

_MESSAGES: dict[str, str | Callable[[Context], str]] = {
    "missing": "This field is required.",
    "extra_forbidden": "Unknown name. Check its spelling.",
    "string_type": "This must be a string.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "int_type": "This must be an integer.",
    "int_parsing": "This must be an integer.",
    "int_parsing_size": "This integer is too large.",
    "int_from_float": "This must be an integer.",
    "list_type": "This must be an array.",
    "dict_type": "This must be an object.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
    "none_required": "This must be null.",
    "datetime_type": OFFSET,
    "datetime_parsing": OFFSET,
    "datetime_from_date_parsing": OFFSET,
    "datetime_object_invalid": OFFSET,
    "timezone_naive": OFFSET,
    "timezone_aware": OFFSET,
    "string_pattern_mismatch": lambda context: PATTERNS.get(context["pattern"], OTHER),
    "string_too_short": lambda context: _at_least(context["min_length"], "character"),
    "string_too_long": lambda context: f"Use at most {plural(context['max_length'], 'character')}.",
    "too_short": lambda context: _at_least(context["min_length"], "item"),
    "too_long": lambda context: f"Send at most {plural(context['max_length'], 'item')}.",
    "greater_than_equal": lambda context: f"This must be at least {context['ge']:,}.",
    "less_than_equal": lambda context: f"This must be at most {context['le']:,}.",
    "literal_error": lambda context: f"This must be {context['expected'].replace(chr(39), '')}.",
    "enum": lambda context: f"This must be {context['expected'].replace(chr(39), '')}.",
    "value_error": lambda context: str(context["error"]).removesuffix(".") + ".",
}


def message(error: Any) -> str:
    """The sentence for one of pydantic's errors."""
    found = _MESSAGES.get(error["type"], OTHER)
    return found if isinstance(found, str) else found(error.get("ctx", {}))


def known() -> set[str]:
    """The types of errors that have a sentence of their own."""
    return set(_MESSAGES)


def _at_least(number: int, unit: str) -> str:
    return "This must not be empty." if number == 1 else f"Send at least {plural(number, unit)}."
