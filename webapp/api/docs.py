"""The documentation page of the API, built from its OpenAPI document (A-1)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from webapp.api import examples
from webapp.api.framework import openapi, openapi_paths
from webapp.api.framework.operations import OPERATIONS, Operation
from webapp.domain.permissions import Scope
from webapp.schemas.problems import ADVICE, TITLES
from webapp.schemas.webhook_payloads import EVENT_DESCRIPTIONS, PAYLOADS

blueprint = Blueprint("api_docs", __name__, url_prefix="/api/docs")


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    shape: str
    needed: bool
    words: str


@dataclass(frozen=True)
class Shown:
    one: Operation
    path: str
    description: str
    parameters: list[Row]
    body: str
    fields: list[Row]  # of the body
    answers: list[tuple[int, str, str]]  # status, its description, the schema's name
    curl: str
    python: str
    response: str  # an example; "" if there is no body


@blueprint.get("")
def index() -> ResponseReturnValue:
    document = openapi.document()
    address = current_app.config["LAUREL"].address
    shown = [_operation(operation, document) for operation in OPERATIONS]
    schemas = document["components"]["schemas"]
    return render_template(
        "api_docs/index.html",
        address=address,
        document=document,
        groups=[(tag, words, _of(shown, tag)) for tag, words in openapi.TAGS.items()],
        shapes=[
            (name, schema.get("description", ""), _rows(schema)) for name, schema in schemas.items()
        ],
        scopes=list(Scope),
        problems=[(kind, *TITLES[kind], ADVICE[kind]) for kind in TITLES],
        events=[
            (kind, sentence, PAYLOADS[kind].model.__name__)
            for kind, sentence in EVENT_DESCRIPTIONS.items()
        ],
        variables=examples.VARIABLES,
        shell=examples.SHELL.format(address=address),
        first=examples.FIRST,
        first_response=_first_response(shown),
        problem_example=examples.PROBLEM,
        python=examples.PYTHON.format(address=address),
        walk=examples.WALK,
        sync=examples.SYNC,
        example_scopes=examples.WALK_SCOPES,
        verify=examples.VERIFY,
        request_limit=current_app.config["LAUREL"].api_requests,
    )


def _first_response(shown: list[Shown]) -> str:
    return next(one.response for one in shown if one.one.name == "list_badges")


def _of(shown: list[Shown], tag: str) -> list[Shown]:
    return [entry for entry in shown if entry.one.tag == tag]


def _operation(operation: Operation, document: dict[str, Any]) -> Shown:
    path = openapi_paths.path_template(operation)
    stated = document["paths"][path][operation.method.lower()]
    body = stated.get("requestBody")
    shape = _named(_schema(body)) if body else ""
    schemas = document["components"]["schemas"]
    return Shown(
        operation,
        path,
        operation.description,
        [
            _parameter(parameter)
            for parameter in stated["parameters"]
            if parameter["in"] != "header"
        ],
        shape,
        _rows(schemas[shape]) if shape else [],
        [
            (int(status), answer["description"], _named(_schema(answer)))
            for status, answer in stated["responses"].items()
            if int(status) < 400
        ],
        examples.curl(operation),
        examples.python(operation),
        _response_example(stated),
    )


def _response_example(stated: dict[str, Any]) -> str:
    """The example of an operation's first successful response as JSON; "" if it has no body."""
    status = min(stated["responses"], key=int)
    content: dict[str, Any] = stated["responses"][status].get("content", {})
    if not content:
        return ""
    example = next(iter(content.values()))["example"]
    return json.dumps(example, indent=2, ensure_ascii=False) + "\n"


def _schema(holder: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = holder.get("content", {})
    return next(iter(content.values()))["schema"] if content else {}


def _parameter(stated: dict[str, Any]) -> Row:
    kind, shape = _kind(stated["schema"])
    return Row(stated["name"], kind, shape, stated["required"], _words(stated))


def _rows(schema: dict[str, Any]) -> list[Row]:
    if schema.get("type") == "array":
        kind, shape = _kind(schema)
        return [Row("[ ]", kind, shape, True, _words(schema))]
    needed = schema.get("required", [])
    return [
        Row(name, *_kind(stated), name in needed, _words({**stated, "schema": stated}))
        for name, stated in schema.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> tuple[str, str]:
    choices = schema.get("anyOf")
    if choices:
        kinds = [_kind(choice) for choice in choices]
        words = [kind for kind, _ in kinds]
        return " or ".join(words), next((shape for _, shape in kinds if shape), "")
    if "$ref" in schema:
        return "object", _named(schema)
    if "enum" in schema:
        return " · ".join(f"“{value}”" for value in schema["enum"]), ""
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        inner, shape = _kind(schema.get("items", {}))
        return "array of" if shape else f"array of {inner}s", shape
    if schema.get("format") == "date-time":
        return "time", ""
    return kind, ""


def _named(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _words(stated: dict[str, Any]) -> str:
    """The description of a value and its limits, as sentences."""
    schema = stated.get("schema", stated)
    parts = [str(stated.get("description", ""))]
    limits = {
        "maxLength": "At most {} characters.",
        "minimum": "At least {}.",
        "maximum": "At most {}.",
        "maxItems": "At most {} items.",
    }
    parts += [words.format(f"{schema[name]:,}") for name, words in limits.items() if name in schema]
    return " ".join(filter(None, parts))
