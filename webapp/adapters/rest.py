"""JSON requests to a community, and what its failures mean for a connection.

Every way that a request can fail becomes a ConnectionProblem with a code, whatever the other side sends.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter, ValidationError

from webapp import package
from webapp.adapters.contract import ConnectionProblem
from webapp.infrastructure.http_client import Client, Response
from webapp.infrastructure.network_policy import Target
from webapp.messages import Message

SECONDS = 30.0  # for a request: a page of members takes a small server a while
BYTES = 8 * 1024 * 1024  # of a response; a page of 500 members has about 1 MB
SHOWN = 200  # characters of the other side's texts that are kept

LASTING = {"webhooks.url_private", "webhooks.not_https", "webhooks.tls"}
"""Reasons why a community isn't reached that don't pass by themselves."""

Query = Mapping[str, str | int]
T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """A response with a status that was expected."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def parsed(self, shape: type[T]) -> T:
        """Return the JSON as a shape. Raises ConnectionProblem if it is something else."""
        try:
            parsed: T = _parser(shape).validate_json(self.body)  # type: ignore[arg-type]
        except ValidationError:
            code = (
                "connections.remote_unexpected"
                if _is_json(self.body)
                else "connections.remote_not_json"
            )
            raise ConnectionProblem(code) from None
        return parsed


class Rest:
    """Requests below one address, for one thread at a time."""

    def __init__(
        self,
        to: Target,
        headers: Mapping[str, str],
        networks: Iterable[str],
        *,
        forbidden: str = "connections.remote_rights",
    ) -> None:
        """`forbidden` is the code for status 403."""
        self.forbidden = forbidden
        self.client = Client(to, networks, seconds=SECONDS, most=BYTES)
        self.root = to.path.partition("?")[0].rstrip("/")
        self.headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"Laurel/{package.version()}",
            **headers,
        }

    def send(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        expected: Container[int] = (),
    ) -> Reply:
        """Return the response of one request. Raises ConnectionProblem unless it succeeded or its status is `expected`.

        It's sent again if the connection is lost, so it must be harmless to repeat.
        """
        headers, content = self.headers, b""
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
            content = json.dumps(body, ensure_ascii=False).encode()
        target = self.root + path + (f"?{urlencode(query)}" if query else "")
        response = self.client.request(method, target, headers, content)
        status = response.status
        # An expected error has a reason as JSON. A web page is from something else, such as a proxy.
        if status is None or not (
            200 <= status < 300 or (status in expected and _is_json(response.body))
        ):
            raise problem_of(response, self.forbidden)
        return Reply(status, response.headers, response.body)

    def get(self, shape: type[T], path: str, query: Query | None = None) -> T:
        return self.send("GET", path, query).parsed(shape)

    def close(self) -> None:
        self.client.close()


def problem_of(response: Response, forbidden: str) -> ConnectionProblem:
    """Return what a response without success means."""
    status, wait = response.status, response.wait
    if status is None:
        return _unreachable(response.error)
    if status == 429:
        return ConnectionProblem("connections.remote_busy", temporary=True, retry_after=wait)
    if status >= 500:
        return ConnectionProblem(
            "connections.remote_failed", temporary=True, retry_after=wait, status=status
        )
    if 300 <= status < 400:
        location = shown(response.headers.get("location", ""))
        return ConnectionProblem("connections.remote_redirect", location=location)
    if status == 401:
        return ConnectionProblem("connections.remote_credentials")
    if status == 403:
        return ConnectionProblem(forbidden)
    if not _is_json(response.body):
        return ConnectionProblem("connections.remote_not_json")
    return ConnectionProblem("connections.remote_status", status=status)


def _unreachable(error: str) -> ConnectionProblem:
    if error == "webhooks.response_too_long":
        return ConnectionProblem("connections.remote_too_long")
    return ConnectionProblem(
        "connections.remote_unreachable", temporary=error not in LASTING, problem=Message(error)
    )


def shown(text: str) -> str:
    """Return a text of the other side as one short line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:SHOWN]


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


@cache
def _parser(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
