"""How each operation, and each webhook, stands in the description: its parameters, its body, its answers."""

from __future__ import annotations

import json
import re
from typing import Any

from webapp.api import problems
from webapp.api.operations import KEY_LENGTH, Operation
from webapp.models import WebhookEvent
from webapp.schemas.webhook_payloads import OF_AWARDS

REF = "#/components/schemas/{model}"
EVENT_DESCRIPTIONS = {
    WebhookEvent.AWARD_CREATED: "A badge was awarded, by whatever way.",
    WebhookEvent.AWARD_REVOKED: "A badge was taken back.",
    WebhookEvent.BATCH_PUBLISHED: "A batch was handed to the workers.",
    WebhookEvent.BATCH_FINISHED: "A run of a batch ended; its status says how.",
}
# Which problems an operation may answer beside those that it states.
ALWAYS = (401, 403, 422, 429)
WITH_BODY = (400, 413, 415)


def path_of(one: Operation) -> str:
    """The path as OpenAPI writes it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", one.path)


def operation(one: Operation) -> dict[str, Any]:
    """An operation, as OpenAPI has it."""
    described: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.tag],
        "summary": one.summary,
        "description": f"{one.description}\n\nScope: `{one.scope}`.",
        "security": [{"key": []}],
        "parameters": [*_in_path(one), *_in_query(one), *_in_headers(one)],
        "responses": _responses(one),
    }
    if one.body is not None:
        body = {"schema": {"$ref": REF.format(model=one.body.__name__)}}
        if "body" in one.example:
            body["example"] = _filled(one.example["body"])
        described["requestBody"] = {
            "required": not one.body_optional,
            "content": {"application/json": body},
        }
    return described


def _filled(example: Any) -> Any:
    """An example with ids in the place of the variables that the documentation page has for them."""
    return json.loads(re.sub(r"\$[A-Z]+", "12", json.dumps(example)))


def _in_path(one: Operation) -> list[dict[str, Any]]:
    found = []
    for name in re.findall(r"<(?:\w+:)?(\w+)>", one.path):
        words = "The community's own ID, percent-encoded" if name == "member_id" else "The id"
        found.append(
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": words,
                "schema": {"type": "string", "minLength": 1},
            }
        )
    return found


def _in_query(one: Operation) -> list[dict[str, Any]]:
    if one.query is None:
        return []
    schema = one.query.model_json_schema(ref_template=REF)
    found = []
    for name, stated in schema["properties"].items():
        shape = {key: value for key, value in stated.items() if key not in ("title", "description")}
        kinds = [kind for kind in shape.pop("anyOf", []) if kind != {"type": "null"}]
        if kinds:
            shape = {
                **kinds[0],
                **{key: value for key, value in shape.items() if value is not None},
            }
        shape = {key: value for key, value in shape.items() if value is not None}
        parameter = {"name": name, "in": "query", "required": False, "schema": shape}
        if "description" in stated:
            parameter["description"] = stated["description"]
        found.append(parameter)
    return found


def _in_headers(one: Operation) -> list[dict[str, Any]]:
    if one.method != "POST":
        return []
    words = "Any text that you choose; the same request with it again has no second effect, for 24 hours"
    shape = {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH}
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": words,
            "schema": shape,
        }
    ]


def _responses(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, model in sorted(one.answers.items()):
        found[str(status)] = {"description": _said(status)}
        if model is not None:
            ref = {"$ref": REF.format(model=model.__name__)}
            found[str(status)]["content"] = {"application/json": {"schema": ref}}
    stated = {*ALWAYS, *one.problems}
    if one.query is not None:
        stated.add(414)
    if one.method != "GET":
        stated |= set(WITH_BODY)
    if one.method == "POST":
        stated.add(410)
    for status in sorted(stated):
        titles = [title for code, title in problems.TITLES.values() if code == status]
        ref = {"$ref": REF.format(model="Problem")}
        found[str(status)] = {
            "description": "; ".join(titles),
            "content": {problems.MIMETYPE: {"schema": ref}},
        }
        if status == 414:  # said by the web server, before anybody reads
            found["414"] = {"description": "The address is too long"}
        if status == 429:
            found["429"]["headers"] = {
                "Retry-After": {"description": "Seconds", "schema": {"type": "string"}}
            }
    return found


def webhook(kind: WebhookEvent) -> dict[str, Any]:
    """What an endpoint is sent: signed by the Standard Webhooks specification."""
    of_award = kind in OF_AWARDS
    data = REF.format(model="AwardOut" if of_award else "BatchOut")
    shape = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": str(kind)},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"$ref": data},
        },
    }
    headers = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    ]
    return {
        "post": {
            "summary": EVENT_DESCRIPTIONS[kind],
            "parameters": headers,
            "requestBody": {"content": {"application/json": {"schema": shape}}},
            "responses": {
                "2XX": {"description": "Taken"},
                "410": {"description": "Not wanted any more: the webhook is switched off"},
            },
        }
    }


def _said(status: int) -> str:
    return {
        200: "As it is now",
        201: "Made",
        202: "Begun; read it again for its progress",
        204: "Done, and nothing to say",
    }[status]


def problem() -> dict[str, Any]:
    """The schema of a problem."""
    text = {"type": "string"}
    wrong = {
        "type": "object",
        "required": ["message"],
        "properties": {
            "pointer": {**text, "description": "Where in the body: a JSON pointer after a #."},
            "parameter": {**text, "description": "Which parameter of the address."},
            "message": text,
        },
    }
    return {
        "type": "object",
        "title": "Problem",
        "description": "What is wrong, by RFC 9457.",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {**text, "description": "Which kind of problem; an address of this page."},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "errors": {
                "type": "array",
                "items": wrong,
                "description": "Everything that is not valid, at once.",
            },
        },
    }
