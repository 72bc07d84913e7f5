"""The documentation page of the API, made from its OpenAPI document (A-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from webapp.api import examples
from webapp.api.framework import openapi, openapi_paths
from webapp.api.framework.operations import OPERATIONS, Operation
from webapp.api.framework.problems import TITLES
from webapp.domain.permissions import Scope
from webapp.schemas.webhook_payloads import EVENT_DESCRIPTIONS

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
    answers: list[tuple[int, str, str]]  # status, what it says, the shape's name
    curl: str
    python: str


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
        problems=TITLES,
        events=EVENT_DESCRIPTIONS,
        variables=examples.VARIABLES,
        shell=examples.SHELL.format(address=address),
        python=examples.PYTHON.format(address=address),
        walk=examples.WALK,
        verify=examples.VERIFY,
        request_limit=current_app.config["LAUREL"].api_requests,
    )


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
    )


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
        return "list of" if shape else f"list of {inner}s", shape
    if schema.get("format") == "date-time":
        return "time", ""
    return {"integer": "whole number"}.get(kind, kind), ""


def _named(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _words(stated: dict[str, Any]) -> str:
    """What is said of a value, and its limits."""
    schema = stated.get("schema", stated)
    parts = [str(stated.get("description", "")).rstrip(".")]
    limits = {
        "maxLength": "at most {} characters",
        "minimum": "at least {}",
        "maximum": "at most {}",
        "maxItems": "at most {} of them",
    }
    parts += [words.format(f"{schema[name]:,}") for name, words in limits.items() if name in schema]
    if schema.get("default") not in (None, "", []):
        parts.append(f"{schema['default']} unless given")
    text = "; ".join(filter(None, parts))
    return text[:1].upper() + text[1:]
