"""Parse and validate requests: first strictly as JSON (RFC 8259), then by their schema.

Python's parser accepts more than JSON (NaN, duplicate keys, lone surrogates), and other parsers read that differently;
so it is rejected.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

from flask import request
from pydantic import BaseModel, ValidationError

from webapp.api.framework import value_errors
from webapp.api.framework.problems import FieldError, ProblemError

T = TypeVar("T", bound=BaseModel)
Location = tuple[int | str, ...]
Locate = Callable[[Location], dict[str, str]]

MAX_DEPTH = 20  # levels of lists and objects; no schema has more than five
MAX_ERRORS = 100  # in one response
MAX_KEYS = 100  # of one object; no schema has more than ten
MAX_BYTES = 1024 * 1024  # of a body
MAX_POINTER_PART = 100  # characters of a key repeated in a pointer


def parse_body(schema: type[T], *, optional: bool) -> T | None:
    """The validated body of the request; None if it is optional and missing. Raises Problem."""
    request.max_content_length = MAX_BYTES
    raw = request.get_data()
    if not raw and optional:
        return None
    if request.mimetype != "application/json":
        raise ProblemError("media-type", "Send the body with Content-Type: application/json.")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise ProblemError("media-type", "Send the JSON in UTF-8.")
    check_json(raw)
    try:
        return schema.model_validate_json(raw)
    except ValidationError as problem:
        raise _invalid(_field_errors(problem, _in_body), problem.error_count()) from None


def parse_query(schema: type[T]) -> T:
    """The validated query parameters; raises Problem with all errors. A repeated parameter is an error."""
    args = request.args.to_dict(flat=False)
    repeated = [name for name, values in args.items() if len(values) > 1]
    errors = [FieldError("Give this parameter only once.", parameter=name) for name in repeated]
    try:
        query = schema.model_validate_strings(
            {name: values[0] for name, values in args.items() if len(values) == 1}
        )
    except ValidationError as problem:
        errors += _field_errors(problem, _in_query)
    if errors:
        raise _invalid(errors[:MAX_ERRORS], len(errors))
    return query


def check_json(raw: bytes) -> None:
    """Raise Problem for bytes that are not strictly JSON (RFC 8259)."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ProblemError("unreadable", "The body isn't UTF-8.") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
        nested = _depth(value) > MAX_DEPTH
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        nested = True
    except UnicodeEncodeError:
        raise ProblemError(
            "unreadable", "The body contains half a character (a lone surrogate)."
        ) from None
    except ValueError as problem:
        raise ProblemError("unreadable", f"The body isn't valid JSON: {_place(problem)}.") from None
    if nested:
        raise ProblemError("unreadable", f"The body is nested more than {MAX_DEPTH} levels deep.")


def canonical(raw: bytes) -> bytes:
    """Valid JSON in one notation: equal values give equal bytes. Numbers are equal by value, so 1.0 is 1."""
    value = json.loads(raw, parse_float=_number)
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def _place(problem: ValueError) -> str:
    """Where JSON is invalid."""
    if isinstance(problem, json.JSONDecodeError):
        return f"see line {problem.lineno}, column {problem.colno}"
    return "a number is too long"


def _depth(value: Any) -> int:
    """How many levels of lists and objects there are."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return 0
    return 1 + max(map(_depth, value), default=0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise ProblemError(
                "unreadable", f"The body has the key {name[:40]!a} twice in one object."
            )
        result[name] = value
    if len(result) > MAX_KEYS:
        raise ProblemError("unreadable", f"The body has an object with more than {MAX_KEYS} keys.")
    return result


def _constant(name: str) -> NoReturn:
    raise ProblemError("unreadable", f"The body contains {name}, which isn't valid JSON.")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ProblemError(
            "unreadable", f"The body contains the number {text[:40]}, which is too large."
        )
    return number


def _field_errors(problem: ValidationError, locate: Locate) -> list[FieldError]:
    """Return only the first errors: building the messages and pointers of all could take seconds."""
    errors = problem.errors(include_url=False, include_input=False)
    return [
        FieldError(value_errors.message(error), **locate(error["loc"]))
        for error in errors[:MAX_ERRORS]
    ]


def _invalid(errors: list[FieldError], number: int) -> ProblemError:
    more = number - len(errors)
    detail = f"{number:,} {'value is' if number == 1 else 'values are'} invalid"
    if more:
        detail += f"; the first {len(errors):,} are listed"
    return ProblemError("invalid", f"{detail}.", errors)


def _in_body(location: Location) -> dict[str, str]:
    parts = (
        str(part)[:MAX_POINTER_PART].replace("~", "~0").replace("/", "~1") for part in location
    )
    return {"pointer": "#" + "".join("/" + quote(part, safe="~!$&'()*+,;=:@") for part in parts)}


def _in_query(location: Location) -> dict[str, str]:
    return {"parameter": str(location[0]) if location else ""}
