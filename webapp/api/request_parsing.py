"""What came in, judged before anything is done with it: JSON as RFC 8259 has it and nothing beside, then its schema.

Python reads more than JSON is (NaN, a key twice, half a character), and each of these means something else to somebody
else; so they are refused.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

from flask import request
from pydantic import BaseModel, ValidationError

from webapp.api.problems import Problem, Wrong

T = TypeVar("T", bound=BaseModel)

DEEPEST = 20  # levels of lists and objects; no schema has more than five
MOST_ERRORS = 100  # that are told at once
MOST_KEYS = 100  # of one object; no schema has more than ten
MOST_BYTES = 1024 * 1024  # of a body
LONGEST_PART = 100  # characters of a key that a pointer repeats

_SENTENCES = {
    "missing": "This is missing.",
    "extra_forbidden": "There is no such field.",
    "string_type": "This must be a string.",
    "int_type": "This must be a whole number.",
    "list_type": "This must be a list.",
    "dict_type": "This must be an object.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
    "string_too_short": "This must not be empty.",
}


def body(schema: type[T], *, optional: bool) -> T | None:
    """The request's body by its schema; None for an optional one that is not there. Raises Problem."""
    request.max_content_length = MOST_BYTES
    raw = request.get_data()
    if not raw and optional:
        return None
    if request.mimetype != "application/json":
        raise Problem("media-type", "Send the body with Content-Type: application/json.")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Problem("media-type", "JSON is in UTF-8, and has no other charset.")
    check(raw)
    try:
        return schema.model_validate_json(raw)
    except ValidationError as problem:
        raise _invalid(_wrong(problem, "pointer"), problem.error_count()) from None


def query(schema: type[T]) -> T:
    """The address's parameters by their schema; raises Problem with everything that is wrong with them.

    A parameter given more than once is an error, whatever its values are.
    """
    asked = request.args.to_dict(flat=False)
    twice = [name for name, values in asked.items() if len(values) > 1]
    wrong = [Wrong("This is given more than once.", parameter=name) for name in twice]
    once = {name: values[0] for name, values in asked.items() if len(values) == 1}
    try:
        found = schema.model_validate_strings(once)
    except ValidationError as problem:
        wrong += _wrong(problem, "parameter")
    if wrong:
        raise _invalid(wrong[:MOST_ERRORS], len(wrong))
    return found


def check(raw: bytes) -> None:
    """Raise Problem for bytes that are not strictly JSON (RFC 8259)."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Problem("unreadable", "The body is not UTF-8.") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
        nested = _depth(value) > DEEPEST
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        nested = True
    except UnicodeEncodeError:
        raise Problem("unreadable", "The body has half a character (a lone surrogate).") from None
    except ValueError as problem:
        reason = (
            problem.msg if isinstance(problem, json.JSONDecodeError) else "a number is too long"
        )
        raise Problem("unreadable", f"The body is not JSON: {reason}.") from None
    if nested:
        raise Problem("unreadable", f"The body is nested more than {DEEPEST} levels deep.")


def _depth(value: Any) -> int:
    """How many levels of lists and objects there are."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return 0
    return 1 + max(map(_depth, value), default=0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Problem("unreadable", f"The body has the key {name[:40]!a} twice in one object.")
        found[name] = value
    if len(found) > MOST_KEYS:
        raise Problem("unreadable", f"The body has an object with more than {MOST_KEYS} keys.")
    return found


def _constant(name: str) -> NoReturn:
    raise Problem("unreadable", f"The body has {name}, which JSON does not know.")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Problem("unreadable", f"The body has the number {text[:40]}, which is too large.")
    return number


def _wrong(problem: ValidationError, place: str) -> list[Wrong]:
    """The first of the errors; building the sentences and pointers of all could take seconds."""
    found = []
    errors = problem.errors(include_url=False, include_context=False, include_input=False)
    for error in errors[:MOST_ERRORS]:
        sentence = _SENTENCES.get(error["type"]) or _said(error)
        if place == "pointer":
            found.append(Wrong(sentence, pointer=_pointer(error["loc"])))
        else:
            found.append(Wrong(sentence, parameter=str(error["loc"][0]) if error["loc"] else ""))
    return found


def _invalid(wrong: list[Wrong], number: int) -> Problem:
    more = number - len(wrong)
    detail = f"{number:,} {'thing is' if number == 1 else 'things are'} not valid"
    return Problem("invalid", detail + (f"; {more:,} more." if more else "."), wrong)


def _said(error: Any) -> str:
    sentence = str(error["msg"]).removeprefix("Value error, ")
    return sentence if sentence.endswith(".") else sentence + "."


def _pointer(place: tuple[int | str, ...]) -> str:
    parts = (str(part)[:LONGEST_PART].replace("~", "~0").replace("/", "~1") for part in place)
    return "#" + "".join("/" + quote(part, safe="~!$&'()*+,;=:@") for part in parts)
