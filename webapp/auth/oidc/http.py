"""Requests to the provider: limited in time and size, without redirects."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

CONNECT, READ, DEADLINE = 3.0, 5.0, 10.0  # seconds
LIMIT = 512 * 1024  # bytes of a document


class BadAnswerError(Exception):
    """The provider answered, but not with what was asked for; the message completes “It …”."""


class BoundedAdapter(HTTPAdapter):
    """Reads each response at once, and gives up on slow and large ones."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs |= {"timeout": (CONNECT, READ), "stream": True}
        response = super().send(request, *args, **kwargs)
        try:
            with response.raw as raw:
                response.raw = BytesIO(_read(raw))
        except ReadTimeoutError:
            raise requests.Timeout from None
        except HTTPError:
            raise requests.ConnectionError from None
        return response


def _read(raw: Any) -> bytes:
    deadline, body = time.monotonic() + DEADLINE, bytearray()
    while piece := raw.read1(64 * 1024, decode_content=True):
        body += piece
        if len(body) > LIMIT:
            raise BadAnswerError(f"sent more than {LIMIT // 1024} KB")
        if time.monotonic() > deadline:
            raise requests.Timeout
    return bytes(body)


def mount(session: requests.Session) -> None:
    for scheme in ("https://", "http://"):  # settings allow http only for this machine
        session.mount(scheme, BoundedAdapter())


def fetch_json(url: str, token: str = "") -> dict[str, Any]:
    """Return a JSON object. Raises `requests.RequestException`, or `BadAnswerError`."""
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with requests.Session() as session:
        mount(session)
        response = session.get(url, headers=headers, allow_redirects=False)
    if response.status_code != 200:
        raise BadAnswerError(f"answered with status {response.status_code}")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise BadAnswerError(f"sent {kind[:40] or 'a document without a type'} instead of JSON")
    try:
        document = response.json()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BadAnswerError("sent something that isn't a JSON object")
    return document
