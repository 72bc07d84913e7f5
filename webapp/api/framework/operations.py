"""Operations: each states its scope and schemas once; routing, validation and documentation follow from them.

An operation parses the request, calls the domain in one transaction and serializes the result. The response to a POST
with an Idempotency-Key is stored in that same transaction.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel

from webapp.api import authentication
from webapp.api.framework import problems, request_parsing
from webapp.api.framework.problems import ProblemError
from webapp.domain.actor import Actor
from webapp.domain.api_access import idempotency
from webapp.domain.permissions import Scope
from webapp.models import Origin
from webapp.transaction import transaction

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
problems.register_handlers(blueprint)

KEY_LENGTH = 255  # characters of an Idempotency-Key
KEY_PATTERN = "^[!-~]([ -~]*[!-~])?$"  # as described; servers drop spaces around a header


@dataclass(frozen=True)
class Reply:
    """What an operation returns: one of the statuses in its `responses`, and that status's model."""

    status: int
    model: BaseModel | None = None


@dataclass(frozen=True)
class Call:
    """A valid request: the actor, and body and query parsed by their schemas."""

    actor: Actor
    body: Any = None
    query: Any = None


Handler = Callable[..., Reply]


@dataclass(frozen=True)
class Operation:
    """An operation of the API.

    The handler's docstring is the published description. `example` has the path, query and body of a request that
    works, and what its response has in place of the schema's example. `problems` are the error statuses beyond those
    that every operation can return. `prepare` is called before the transaction, for what takes long. The stored
    response of a `confidential` operation is encrypted. `reads_only` marks a POST that changes nothing, without a
    transaction or an Idempotency-Key.
    """

    method: str
    path: str
    scope: Scope
    handler: Handler
    tag: str
    summary: str
    responses: dict[int, type[BaseModel] | None]
    body: type[BaseModel] | None = None
    body_optional: bool = False
    query: type[BaseModel] | None = None
    problems: tuple[int, ...] = ()
    prepare: Callable[[Call], None] | None = None
    confidential: bool = False
    reads_only: bool = False
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def description(self) -> str:
        return inspect.cleandoc(self.handler.__doc__ or "")


OPERATIONS: list[Operation] = []


def operation(method: str, path: str, scope: Scope, **fields: Any) -> Callable[[Handler], Handler]:
    """Register a function as an operation of the API; `fields` are those of `Operation`."""

    def register(handler: Handler) -> Handler:
        spec = Operation(method, path, scope, handler, **fields)
        OPERATIONS.append(spec)

        def view(**path_args: Any) -> Response:
            return _respond(spec, path_args)

        view.__dict__["asks_for"] = scope
        blueprint.add_url_rule(
            path,
            endpoint=spec.name,
            view_func=view,
            methods=[method],
            provide_automatic_options=False,
        )
        return handler

    return register


def _respond(spec: Operation, path_args: dict[str, Any]) -> Response:
    now = datetime.now(UTC)
    actor = Actor(
        now,
        Origin.API,
        key=authentication.caller(spec.scope, now),
        address=request.remote_addr or "",
    )
    if spec.query is None and request.args:
        raise ProblemError("invalid", "This operation takes no query parameters.")
    call = Call(
        actor,
        request_parsing.parse_body(spec.body, optional=spec.body_optional) if spec.body else None,
        request_parsing.parse_query(spec.query) if spec.query else None,
    )
    if spec.method == "GET" or spec.reads_only:
        return _response(*_serialize(spec.handler(call, **path_args)))
    if spec.prepare is not None:
        spec.prepare(call)
    key = _idempotency_key() if spec.method == "POST" else None
    with transaction():
        if key is None:
            return _response(*_serialize(spec.handler(call, **path_args)))
        assert actor.key_id is not None
        stored = idempotency.reserve(actor.key_id, key, _request_hashes(spec), now)
        if stored is not None:
            response = _response(stored.status, idempotency.body_of(stored))
            response.headers["Idempotent-Replayed"] = "true"
            return response
        answer = _serialize(spec.handler(call, **path_args))
        idempotency.save_response(actor.key_id, key, *answer, confidential=spec.confidential)
    return _response(*answer)


def _serialize(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.model.model_dump_json() if reply.model else ""


def _response(status: int, text: str) -> Response:
    return Response(text or None, status, mimetype="application/json" if text else None)


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise ProblemError(
            "unreadable",
            f"An Idempotency-Key must have 1 to {KEY_LENGTH} printable ASCII characters.",
        )
    return key


def _request_hashes(spec: Operation) -> tuple[str, str]:
    """The hash of the request's values, and that of its bytes, which earlier versions stored."""
    raw = request.get_data()
    values = request_parsing.canonical(raw) if raw and spec.body else raw
    line = f"{request.method} {request.full_path}\n".encode()
    return hashlib.sha256(line + values).hexdigest(), hashlib.sha256(line + raw).hexdigest()
