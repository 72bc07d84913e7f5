"""Operations, webhooks and problems as OpenAPI objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from webapp.api.framework import openapi_examples
from webapp.api.framework.operations import KEY_LENGTH, KEY_PATTERN, Operation
from webapp.api.rate_limits import DESCRIPTIONS as RATE_LIMITS
from webapp.models.webhook import TEST
from webapp.schemas import problems
from webapp.schemas.webhook_payloads import EVENT_DESCRIPTIONS, PAYLOADS, TEST_MESSAGE

REF = "#/components/schemas/{model}"
# Problems that every operation can return, and those with a body.
ALWAYS = (401, 403, 422, 429, 500, 503)
WITH_BODY = (400, 413, 415)
STATUSES = {
    200: "OK",
    201: "Created",
    202: "Accepted; poll the batch for progress",
    204: "No content",
}
PATH_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")
PATH_DESCRIPTIONS = {
    "member_id": "Your own ID of the member, percent-encoded (a `/` as `%2F`).",
    "badge_id": "The badge's ID.",
    "award_id": "The award's ID.",
    "batch_id": "The batch's ID.",
    "quest_id": "The quest's ID.",
    "webhook_id": "The webhook's ID.",
    "delivery_id": "The delivery's ID.",
}
WEBHOOK_HEADERS = {
    "webhook-id": "Identifies the event. It stays the same when the event is resent; use it to skip duplicates.",
    "webhook-timestamp": "When this attempt was sent, in seconds since 1970.",
    "webhook-signature": "One or more signatures, separated by spaces, by the Standard Webhooks specification.",
}


def path_template(spec: Operation) -> str:
    return PATH_ARGUMENT.sub(r"{\1}", spec.path)


def operation_object(spec: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": spec.name,
        "tags": [spec.tag],
        "summary": spec.summary,
        "description": f"{spec.description}\n\nRequires the scope `{spec.scope}`.",
        "security": [{"key": []}],
        "parameters": [*_path_parameters(spec), *_query_parameters(spec), *_headers(spec)],
        "responses": _responses(spec),
    }
    if spec.body is not None:
        body: dict[str, Any] = {"schema": _ref(spec.body)}
        if "body" in spec.example:
            body["example"] = _without_variables(spec.example["body"])
        described["requestBody"] = {
            "required": not spec.body_optional,
            "content": {"application/json": body},
        }
    return described


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}


def _without_variables(example: Any) -> Any:
    """The example with an id for each variable of the documentation page."""
    return json.loads(re.sub(r"\$[A-Z]+", "12", json.dumps(example)))


def _parameter(name: str, place: str, required: bool, schema: Any, text: str) -> dict[str, Any]:
    parameter = {"name": name, "in": place, "required": required, "schema": schema}
    return {**parameter, "description": text} if text else parameter


def _path_parameters(spec: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    return [
        _parameter(name, "path", True, schema, PATH_DESCRIPTIONS[name])
        for name in PATH_ARGUMENT.findall(spec.path)
    ]


def _query_parameters(spec: Operation) -> list[dict[str, Any]]:
    if spec.query is None:
        return []
    schema = without_defaults(spec.query.model_json_schema(ref_template=REF))
    properties = schema["properties"]
    return [
        _parameter(name, "query", False, _not_null(field), field.get("description", ""))
        for name, field in properties.items()
    ]


def without_defaults(schema: Any) -> Any:
    """The schema with defaults in its descriptions: code generators take fields with a default for required."""
    if isinstance(schema, list):
        return [without_defaults(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    stated = {
        name: part if name in ("example", "examples") else without_defaults(part)
        for name, part in schema.items()
        if name != "default" or isinstance(part, dict)  # a field can have that name
    }
    default = schema.get("default")
    if (
        "description" in stated
        and isinstance(default, str | int | float)
        and default not in ("", False)
    ):
        stated["description"] += f" Default: {default}."
    return stated


def _not_null(field: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter without null: callers leave it out instead."""
    types = [type_ for type_ in field.get("anyOf", []) if type_ != {"type": "null"}]
    stated = {key: value for key, value in field.items() if value is not None}
    for key in ("title", "description", "anyOf"):
        stated.pop(key, None)
    return {**(types[0] if types else {}), **stated}


def _headers(spec: Operation) -> list[dict[str, Any]]:
    if spec.method != "POST" or spec.reads_only:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": KEY_PATTERN}
    text = (
        f"A unique text of your choice, such as a UUID: 1 to {KEY_LENGTH} printable ASCII characters. If you send the "
        "same request with the same key again within 24 hours, it isn't processed twice and returns the first "
        "response, with `Idempotent-Replayed: true`. The same JSON in a different notation is the same request; with "
        "another body, the response is 422."
    )
    return [_parameter("Idempotency-Key", "header", False, schema, text)]


def _responses(spec: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, model in sorted(spec.responses.items()):
        responses[str(status)] = {"description": STATUSES[status], "headers": _refs(RATE_LIMITS)}
        if spec.method == "POST":
            responses[str(status)]["headers"] |= _refs(["Idempotent-Replayed"])
        if model is not None:
            example = {**openapi_examples.example_of(model), **spec.example.get("response", {})}
            responses[str(status)]["content"] = {
                "application/json": {"schema": _ref(model), "example": example}
            }
    statuses = {*ALWAYS, *spec.problems}
    if spec.method != "GET":
        statuses |= {*WITH_BODY}
    if spec.method == "POST" and not spec.reads_only:
        statuses.add(410)
    if spec.query is not None:
        statuses |= {400, 414}
    schema = {"$ref": REF.format(model="Problem")}
    for status in sorted(statuses):
        titles = [title for code, title in problems.TITLES.values() if code == status]
        responses[str(status)] = {
            "description": "; ".join(titles),
            "headers": _refs(RATE_LIMITS if status != 414 else []),  # sent by the web server itself
            "content": {problems.MIMETYPE: {"schema": schema}},
        }
    for later in ("429", "503"):
        responses[later]["headers"] |= _refs(["Retry-After"])
    return responses


def _refs(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def header_objects() -> dict[str, Any]:
    """The headers of responses."""
    texts = {
        **RATE_LIMITS,
        "Retry-After": ("Seconds to wait before the next request.", "12"),
        "Idempotent-Replayed": (
            "`true` if this is the stored response to an earlier request with the same Idempotency-Key.",
            "true",
        ),
    }
    return {
        name: {"description": text, "schema": {"type": "string"}, "example": example}
        for name, (text, example) in texts.items()
    }


def webhook_objects() -> dict[str, Any]:
    """The requests that webhooks send, by kind."""
    events: dict[str, Any] = {
        str(kind): _webhook_object(str(kind), text, _ref(PAYLOADS[kind].model))
        for kind, text in EVENT_DESCRIPTIONS.items()
    }
    message = {"type": "string", "description": "A sentence.", "examples": [TEST_MESSAGE]}
    data = {"type": "object", "required": ["message"], "properties": {"message": message}}
    test = "Someone tests the webhook, in the console or by the API. Nothing happened."
    return {**events, TEST: _webhook_object(TEST, test, data)}


def _webhook_object(kind: str, summary: str, data: dict[str, Any]) -> dict[str, Any]:
    """A request, signed by the Standard Webhooks specification."""
    schema = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": kind},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When the event happened.",
            },
            "data": data,
        },
    }
    headers = [
        _parameter(name, "header", True, {"type": "string"}, text)
        for name, text in WEBHOOK_HEADERS.items()
    ]
    return {
        "post": {
            "operationId": "receive_" + kind.replace(".", "_"),
            "summary": summary,
            "parameters": headers,
            "requestBody": {"content": {"application/json": {"schema": schema}}},
            "responses": {
                "2XX": {"description": "Received"},
                "410": {
                    "description": "The receiver no longer wants events; Laurel turns the webhook off"
                },
            },
        }
    }


def problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    error = {
        "type": "object",
        "required": ["message"],
        "properties": {
            "pointer": {
                **text,
                "description": "Where the value is in the body, as a JSON pointer after `#`.",
                "examples": ["#/member/id"],
            },
            "parameter": {**text, "description": "The name of the path or query parameter."},
            "message": {
                **text,
                "description": "What is wrong with the value.",
                "examples": ["User was not found."],
            },
        },
    }
    return {
        "type": "object",
        "title": "Problem",
        "description": "An error, as problem details (RFC 9457).",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {
                **text,
                "description": "The kind of problem: a relative URL that leads to its description. Branch on this.",
                "examples": ["/api/docs#problem-invalid"],
            },
            "title": {
                **text,
                "description": "The kind of problem in words.",
                "examples": [problems.TITLES["invalid"][1]],
            },
            "status": {"type": "integer", "description": "The HTTP status.", "examples": [422]},
            "detail": {
                **text,
                "description": "What is wrong with this request.",
                "examples": ["User was not found."],
            },
            "errors": {
                "type": "array",
                "items": error,
                "description": "All invalid values, up to the first 100.",
            },
        },
    }
