"""No sentence of a library reaches callers: every error that a schema can produce has one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.api.conftest import Caller
from webapp.api.framework import value_errors
from webapp.api.framework.operations import OPERATIONS

# The errors of pydantic's validators in JSON and query strings, by the kind of validator and its limits.
ERRORS: dict[str, set[str]] = {
    "str": {"string_type"},
    "str.pattern": {"string_pattern_mismatch"},
    "str.min_length": {"string_too_short"},
    "str.max_length": {"string_too_long"},
    "int": {"int_type", "int_parsing", "int_parsing_size", "int_from_float"},
    "int.ge": {"greater_than_equal"},
    "int.le": {"less_than_equal"},
    "bool": {"bool_type", "bool_parsing"},
    "list": {"list_type"},
    "list.min_length": {"too_short"},
    "list.max_length": {"too_long"},
    "literal": {"literal_error"},
    "enum": {"enum"},
    "datetime": {
        "datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid",
    },
    "datetime.tz_constraint": {"timezone_naive"},
    "model": {"model_type"},
    "model-fields": {"missing", "extra_forbidden", "model_attributes_type"},
    "function-after": {"value_error"},
    "function-before": {"value_error"},
    "any": set(), "nullable": set(), "default": set(), "model-field": set(), "definitions": set(),
    "definition-ref": set(), "function-wrap": {"value_error"}, "function-plain": {"value_error"},
}  # fmt: skip
LIMITS = {
    "pattern",
    "min_length",
    "max_length",
    "ge",
    "le",
    "gt",
    "lt",
    "multiple_of",
    "tz_constraint",
}


def validators(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        for name, part in schema.items():
            if name not in {"metadata", "serialization", "config"}:
                yield from validators(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from validators(part)


def errors_of(validator: dict[str, Any]) -> set[str]:
    kind = validator["type"]
    if kind in ("with-info", "no-info"):  # how a function is called
        return set()
    limits = {f"{kind}.{name}" for name in LIMITS & set(validator) if validator[name] is not None}
    missing = ({kind} | limits) - set(ERRORS)
    assert not missing, f"which errors have these? {missing}"
    return set().union(*(ERRORS[name] for name in {kind} | limits))


def test_every_error_of_a_schema_has_a_sentence(app: Flask) -> None:
    models = {model for one in OPERATIONS for model in (one.body, one.query) if model}
    assert len(models) > 10
    for model in models:
        for validator in validators(model.__pydantic_core_schema__):
            assert errors_of(validator) <= value_errors.known(), validator
            if "pattern" in validator:
                assert validator["pattern"] in value_errors.PATTERNS


MEMBERS = ['{"id": "1"}'] * 51
SENTENCES = {
    '{"quest": 1, "members": {}}': {"This must be a string.", "This must be an array."},
    '{"quest": "1", "members": []}': {"This must not be empty."},
    f'{{"quest": "1", "members": [{", ".join(MEMBERS)}]}}': {"Send at most 50 items."},
    '{"quest": "1", "members": [1, null]}': {"This must be an object."},
    '{"quest": "1", "members": [{"id": ""}], "reason": "\\u0000"}': {
        "This must not be empty.",
        "This must not contain the character NUL.",
    },
}


@pytest.mark.parametrize("raw", SENTENCES, ids=range(len(SENTENCES)))
def test_values_are_explained_in_our_words(lms: Caller, raw: str) -> None:
    problem: Any = lms.post("/group-awards", raw=raw.encode()).json
    assert {one["message"] for one in problem["errors"]} == SENTENCES[raw]


def test_parameters_are_explained_in_our_words(lms: Caller) -> None:
    for query, sentence in {
        "limit=x": "This must be an integer.",
        "limit=201": "This must be at most 200.",
        "limit=" + "9" * 30: "This must be at most 200.",
        "state=lost": "This must be active or revoked.",
    }.items():
        problem: Any = lms.get(f"/awards?{query}").json
        assert [one["message"] for one in problem["errors"]] == [sentence], query


def test_an_error_without_a_sentence_gets_a_general_one() -> None:
    assert value_errors.message({"type": "new_in_pydantic", "msg": "Input should"}) == (
        "This value is invalid."
    )
