"""Operations: each states its scope and its schemas once, and is answered, described and documented by them.

A shell as the pages are: the request is read, the domain called inside one transaction, the answer translated. An
answer to a POST with an Idempotency-Key is kept in that same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel

from webapp.api import authentication, request_parsing
from webapp.api.problems import Problem
from webapp.domain.actor import Actor
from webapp.domain.api_access import idempotency
from webapp.domain.permissions import Scope
from webapp.transaction import transaction

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

KEY_LENGTH = 255  # characters of an Idempotency-Key


@dataclass(frozen=True)
class Answer:
    """What an operation answers: a status of its `answers`, and the model that goes with it."""

    status: int
    shown: BaseModel | None = None


@dataclass(frozen=True)
class Call:
    """One request, read and judged: who acts, the body and the parameters by their schemas."""

    actor: Actor
    body: Any = None
    query: Any = None


Handler = Callable[..., Answer]


@dataclass(frozen=True)
class Operation:
    """An operation of the API; `example` has the path, the parameters and the body of one request that works."""

    method: str
    path: str
    scope: Scope
    handler: Handler
    tag: str
    summary: str
    answers: dict[int, type[BaseModel] | None]
    body: type[BaseModel] | None = None
    body_optional: bool = False
    query: type[BaseModel] | None = None
    problems: tuple[int, ...] = ()
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in the description."""
        return self.handler.__name__

    @property
    def description(self) -> str:
        """What it does, in sentences."""
        return (self.handler.__doc__ or "").strip()


OPERATIONS: list[Operation] = []


def operation(method: str, path: str, scope: Scope, **stated: Any) -> Callable[[Handler], Handler]:
    """Makes a function an operation of the API; the rest is as in `Operation`."""

    def register(handler: Handler) -> Handler:
        one = Operation(method, path, scope, handler, **stated)
        OPERATIONS.append(one)

        def view(**place: Any) -> Response:
            return _answer(one, place)

        view.__dict__["asks_for"] = scope
        blueprint.add_url_rule(
            path,
            endpoint=one.name,
            view_func=view,
            methods=[method],
            provide_automatic_options=False,
        )
        return handler

    return register


def _answer(one: Operation, place: dict[str, Any]) -> Response:
    now = datetime.now(UTC)
    actor = Actor(
        now, "api", key=authentication.caller(one.scope, now), address=request.remote_addr or ""
    )
    if one.query is None and request.args:
        raise Problem("invalid", "This address takes no parameters.")
    call = Call(
        actor,
        request_parsing.body(one.body, optional=one.body_optional)
        if one.body is not None
        else None,
        request_parsing.query(one.query) if one.query is not None else None,
    )
    if one.method == "GET":
        return _response(*_told(one.handler(call, **place)))
    key = _idempotency_key() if one.method == "POST" else None
    with transaction():
        if key is None:
            return _response(*_told(one.handler(call, **place)))
        assert actor.key_id is not None
        kept = idempotency.reserve(actor.key_id, key, _hash(), now)
        if kept is not None:
            return _response(kept.status, kept.body or "")
        told = _told(one.handler(call, **place))
        idempotency.save_response(actor.key_id, key, *told)
    return _response(*told)


def _told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.shown.model_dump_json() if answer.shown is not None else ""


def _response(status: int, text: str) -> Response:
    return Response(text or None, status, mimetype="application/json" if text else None)


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise Problem(
            "unreadable",
            f"An Idempotency-Key has 1 to {KEY_LENGTH} printable ASCII characters.",
        )
    return key


def _hash() -> str:
    told = f"{request.method} {request.full_path}\n".encode() + request.get_data()
    return hashlib.sha256(told).hexdigest()
