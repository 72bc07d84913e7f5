"""The OpenAPI 3.1 document, built from the operations and their schemas."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Response, current_app, json
from pydantic.json_schema import models_json_schema

from webapp.api.framework import openapi_paths
from webapp.api.framework.openapi_paths import REF
from webapp.api.framework.operations import OPERATIONS
from webapp.domain.permissions import Scope
from webapp.models import WebhookEvent

VERSION = "1"
TAGS = {
    "Members": "The people of the community, by the community's own ID.",
    "Badges": "What can be awarded: every badge has one or more quests, and every award is for one quest.",
    "Awards": "The fact that a member holds a quest. An award is active or revoked, and never deleted.",
    "Batches": "One quest for many members, carried out by workers while you do something else.",
    "Activities": "What members did, counted for each of them.",
}


def serve() -> Response:
    text = json.dumps(document(), ensure_ascii=False)
    return Response(text, mimetype="application/json")


def document() -> dict[str, Any]:
    server = {"url": current_app.config["LAUREL"].address + "/api/v1"}
    return {**_document(), "servers": [server]}


@cache
def _document() -> dict[str, Any]:
    models = {
        model for spec in OPERATIONS for model in (*spec.responses.values(), spec.body) if model
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=REF
    )
    schemas = {**definitions["$defs"], "Problem": openapi_paths.problem_schema()}
    paths: dict[str, Any] = {}
    for spec in OPERATIONS:
        path = paths.setdefault(openapi_paths.path_template(spec), {})
        path[spec.method.lower()] = openapi_paths.operation_object(spec)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Laurel",
            "version": VERSION,
            "summary": "Award badges, keep members in step, and unlock badges in batches.",
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{"key": []}],
        "paths": paths,
        "webhooks": {str(kind): openapi_paths.webhook_object(kind) for kind in WebhookEvent},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, made in the console under Settings. Scopes: "
                    + "; ".join(f"{scope}: {scope.sentence}" for scope in Scope),
                }
            },
        },
    }
