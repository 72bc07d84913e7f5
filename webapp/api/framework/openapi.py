"""The OpenAPI 3.1 document, built from the operations and their schemas."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Response, current_app, json
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from webapp.api.framework import openapi_paths
from webapp.api.framework.openapi_paths import REF
from webapp.api.framework.operations import OPERATIONS
from webapp.domain.permissions import Scope
from webapp.schemas.common import OutputModel
from webapp.schemas.webhook_payloads import PAYLOADS

VERSION = "1"
TAGS = {
    "Members": "The people in your community, identified by your own IDs.",
    "Badges": "A badge has one or more quests, which are the ways to earn it. You award a quest, not a badge.",
    "Awards": "An award says that a member has a quest's badge. It is active or revoked, and never deleted.",
    "Batches": "A batch awards one quest to many members. It is processed in the background.",
    "Events": "What has happened, in order. Follow events to keep another system in sync.",
    "Activities": "What members do in your community. Laurel adds it up for the rules of Automatic badges.",
    "Webhooks": "URLs of other systems that are notified of events.",
}
# Markdown, for programs that display the document; the documentation page says the same in more detail.
INTRODUCTION = """\
Use this API to award badges from other systems, keep members in sync, send member activity, and create and publish \
batches. `/api/docs` has a guide with examples.

Send an API key with every request, in the header `Authorization: Bearer`. Admins and developers create keys in the \
console, under Settings, API keys.

IDs are opaque strings, except a member's `id`, which is your own. Times are RFC 3339; responses use UTC. Errors are \
problem details (RFC 9457). Lists return `items` and the cursor of the next page. To repeat a POST safely, send an \
`Idempotency-Key`.
"""


def serve() -> Response:
    text = json.dumps(document(), ensure_ascii=False)
    return Response(text, mimetype="application/json")


def document() -> dict[str, Any]:
    address = current_app.config["LAUREL"].address
    stated = _document()
    contact = {"name": "Documentation of this console's API", "url": address + "/api/docs"}
    info = {**stated["info"], "contact": contact}
    return {**stated, "info": info, "servers": [{"url": address + "/api/v1"}]}


@cache
def _document() -> dict[str, Any]:
    models = {
        model for spec in OPERATIONS for model in (*spec.responses.values(), spec.body) if model
    } | {payload.model for payload in PAYLOADS.values()}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, _mode(model)) for model in ordered], ref_template=REF
    )
    stated = {
        name: openapi_paths.without_defaults(one) for name, one in definitions["$defs"].items()
    }
    schemas = {**stated, "Problem": openapi_paths.problem_schema()}
    paths: dict[str, Any] = {}
    for spec in OPERATIONS:
        path = paths.setdefault(openapi_paths.path_template(spec), {})
        path[spec.method.lower()] = openapi_paths.operation_object(spec)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Laurel",
            "version": VERSION,
            "summary": "Award badges, keep members in sync and run batches.",
            "description": INTRODUCTION,
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{"key": []}],
        "paths": paths,
        "webhooks": openapi_paths.webhook_objects(),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": openapi_paths.header_objects(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, created in the console under Settings, API keys. Its scopes say what "
                    "it can do:\n\n"
                    + "\n".join(f"- `{scope}`: {scope.sentence}" for scope in Scope),
                }
            },
        },
    }


def _mode(model: type[BaseModel]) -> JsonSchemaMode:
    """Responses always have all fields, also those with a default."""
    return "serialization" if issubclass(model, OutputModel) else "validation"
