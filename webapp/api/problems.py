"""What the API answers when something is wrong: problem details (RFC 9457), every field error at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

from webapp.domain.api_access.idempotency import KeyReuseError, ResponseErasedError
from webapp.domain.errors import DomainError, NotFoundError

PREFIX = "/api/"
MIMETYPE = "application/problem+json"

# What each kind of problem is called; the name is also its place on the documentation page.
TITLES: dict[str, tuple[int, str]] = {
    "unreadable": (400, "The request can't be read"),
    "key-missing": (401, "An API key is needed"),
    "key-refused": (401, "The API key is not accepted"),
    "key-in-address": (401, "An API key must not be in an address"),
    "scope": (403, "The API key has not this scope"),
    "not-found": (404, "There is no such thing"),
    "method": (405, "This address does not take this method"),
    "state": (409, "Not possible now"),
    "answer-gone": (410, "The answer is not there any more"),
    "too-large": (413, "The request is too large"),
    "media-type": (415, "The request must be JSON"),
    "invalid": (422, "Something in the request is not valid"),
    "key-reused": (422, "The Idempotency-Key was used for another request"),
    "too-many": (429, "Too many requests"),
    "fault": (500, "Something went wrong"),
    "away": (503, "The database does not answer"),
}
_BY_STATUS = {404: "not-found", 405: "method", 413: "too-large", 415: "media-type"}
_DETAILS = {
    "unreadable": "The request did not arrive whole. Nothing was done.",
    "too-large": "A body may have up to 1 MB. Send it in several requests.",
}
# What the domain calls a place of a form, where the API has another name for it.
_PLACES = {"to": "members", "expires": "expires_at"}


@dataclass(frozen=True)
class Wrong:
    """One thing that is not valid: where it stands, in the body or in the address, and the sentence."""

    message: str
    pointer: str = ""
    parameter: str = ""

    def shown(self) -> dict[str, str]:
        """As the answer has it."""
        place = {"pointer": self.pointer, "parameter": self.parameter}
        return {name: text for name, text in place.items() if text} | {"message": self.message}


@dataclass
class Problem(Exception):
    """An answer that is a problem; `kind` is one of TITLES."""

    kind: str
    detail: str = ""
    errors: list[Wrong] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self) -> Response:
        """As a response."""
        status, title = TITLES[self.kind]
        body: dict[str, Any] = {
            "type": f"/api/docs#problem-{self.kind}",
            "title": title,
            "status": status,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [wrong.shown() for wrong in self.errors]
        text = json.dumps(body, ensure_ascii=False)
        return Response(text, status, headers=self.headers, mimetype=MIMETYPE)


def asked() -> bool:
    """Whether the request in hand is for the API, and is to be answered in its language."""
    return request.path.startswith(PREFIX) and not request.path.startswith("/api/docs")


def of(error: Exception) -> Response:
    """The answer to what the domain, or the server, raised."""
    if isinstance(error, Problem):
        return error.answer()
    if isinstance(error, NotFoundError):
        return Problem("not-found", str(error)).answer()
    if isinstance(error, DomainError):
        return _refused(error).answer()
    if isinstance(error, HTTPException):
        return _of_server(error)
    raise error


def _refused(refusal: DomainError) -> Problem:
    if isinstance(refusal, KeyReuseError):
        return Problem("key-reused", refusal.message)
    if isinstance(refusal, ResponseErasedError):
        return Problem("answer-gone", refusal.message)
    if refusal.field is None:
        return Problem("state", refusal.message)
    return invalid([_wrong(one) for one in refusal.each()], refusal.note)


def invalid(wrong: list[Wrong], detail: str = "") -> Problem:
    """The problem that these things are not valid, with what there is to say of all of them."""
    one = wrong[0].message if len(wrong) == 1 else f"{len(wrong):,} things are not valid."
    return Problem("invalid", detail or one, wrong)


def _wrong(refusal: DomainError) -> Wrong:
    place = _PLACES.get(refusal.field or "", refusal.field)
    return Wrong(refusal.message, pointer=f"#/{place}")


def _of_server(error: HTTPException) -> Response:
    kind = _BY_STATUS.get(error.code or 0, "unreadable")
    detail = _DETAILS.get(kind, "")
    answer = Problem(kind, detail).answer()
    for name, value in error.get_headers():
        if name != "Content-Type":
            answer.headers[name] = value
    return answer


def fault(reference: str) -> Response:
    """A mistake of ours; the log has the rest under the reference."""
    return Problem(
        "fault", f"The fault is ours. Nothing was half done. Reference {reference}"
    ).answer()


def away(reference: str, again_in: int) -> Response:
    """The database does not answer; to be tried again."""
    detail = f"Nothing was half done; try again in a moment. Reference {reference}"
    return Problem("away", detail, headers={"Retry-After": str(again_in)}).answer()
