"""Responses of the web server itself, to requests that never reach the application (A-15)."""

from __future__ import annotations

import re

from gunicorn.http.errors import (  # type: ignore[import-untyped]
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)

from webapp.schemas.problems import MIMETYPE, TITLES, text_of

DETAILS = {
    "unreadable": "The request is incomplete or malformed. Nothing was changed.",
    "too-slow": "The request took too long to arrive. Nothing was changed.",
    "url-too-long": "The URL is too long.",
    "headers-too-large": "The headers are too long.",
    "internal": "Something went wrong on our side.",
}
API_REQUEST = re.compile(rb"\s*\S+ +(?:https?://[^/\s]*)?/api/(?!docs)", re.IGNORECASE)

WORD = re.compile("[A-Z][a-z]+|[A-Z]+(?![a-z])")


def concerns_api(head: bytes | bytearray) -> bool:
    """Whether the first line of a request names a URL of the API."""
    return API_REQUEST.match(head) is not None


def kind_of(error: BaseException) -> str:
    """The kind of problem that the server has with a request."""
    if isinstance(error, LimitRequestLine):
        return "url-too-long"
    if isinstance(error, LimitRequestHeaders):
        return "headers-too-large"
    return "unreadable" if isinstance(error, ParseException) else "internal"


def reason_of(error: BaseException) -> str:
    """The reason for the log: gunicorn's own messages repeat what was sent, which can name members."""
    return " ".join(WORD.findall(type(error).__name__)).lower()


def response(kind: str, *, to_api: bool) -> bytes:
    """The bytes of a response: a problem for callers of the API, a sentence for others."""
    status, title = TITLES[kind]
    body = (text_of(kind, DETAILS[kind]) if to_api else DETAILS[kind] + "\n").encode()
    head = (
        f"HTTP/1.1 {status} {title}\r\nConnection: close\r\n"
        f"Content-Type: {MIMETYPE if to_api else 'text/plain; charset=utf-8'}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
