"""Errors of the API: problem details (RFC 9457), with all field errors at once."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import RoutingException

from webapp.database import DB_UNAVAILABLE, RETRY_AFTER
from webapp.domain.api_access.idempotency import KeyReuseError, ResponseErasedError
from webapp.domain.errors import DomainError, NotFoundError
from webapp.infrastructure import log_format

log = logging.getLogger(__name__)

PREFIX = "/api/"
MIMETYPE = "application/problem+json"

# Kinds of problems with their status and title. The documentation page has an anchor for each kind.
TITLES: dict[str, tuple[int, str]] = {
    "unreadable": (400, "Malformed request"),
    "key-missing": (401, "API key required"),
    "key-refused": (401, "API key not accepted"),
    "key-in-url": (401, "API key sent in the URL"),
    "scope": (403, "API key lacks this scope"),
    "not-found": (404, "Not found"),
    "method": (405, "Method not allowed"),
    "state": (409, "Not possible in the current state"),
    "response-expired": (410, "Stored response no longer available"),
    "too-large": (413, "Request too large"),
    "media-type": (415, "Request body must be JSON"),
    "invalid": (422, "Invalid values in the request"),
    "key-reused": (422, "Idempotency-Key already used for a different request"),
    "too-many": (429, "Too many requests"),
    "internal": (500, "Internal error"),
    "unavailable": (503, "Database unavailable"),
}
# What clients should do about each kind, for the documentation page.
ADVICE = {
    "unreadable": "Send valid JSON in UTF-8. The detail says what is wrong with the body.",
    "key-missing": "Send the header Authorization: Bearer with your API key.",
    "key-refused": "Check the key: it is unknown, has expired or was revoked. Create a new one if needed.",
    "key-in-url": "Send the key in the Authorization header instead. Revoke the key that was in the URL.",
    "scope": "Use a key with the scope that the detail names.",
    "not-found": "Check the path and the ID in it.",
    "method": "The Allow header lists the methods of this URL.",
    "state": "Read the resource again. The detail says why the request isn't possible now.",
    "response-expired": "Don't send the request again: it has been processed. Read the resource to see the result.",
    "too-large": "Split the request. A body can have up to 1 MB.",
    "media-type": "Send the body as JSON with the header Content-Type: application/json.",
    "invalid": "Fix everything listed in errors, and send the request again.",
    "key-reused": "Use a new key for each different request.",
    "too-many": "Wait for the number of seconds in the Retry-After header.",
    "internal": "Nothing was changed. Try again; if it keeps failing, give the reference in the detail to the person "
    "who runs Laurel.",
    "unavailable": "Nothing was changed. Try again after the number of seconds in the Retry-After header.",
}
_BY_STATUS = {404: "not-found", 405: "method", 413: "too-large", 415: "media-type"}
_DETAILS = {
    "unreadable": "The request is incomplete or malformed. Nothing was changed.",
    "too-large": "A body can have up to 1 MB. Split it into several requests.",
}
# Fields that have another name in the API than in the domain.
_FIELDS = {"to": "members", "expires": "expires_at"}


@dataclass(frozen=True)
class FieldError:
    """An invalid value: its place in the body or the name of its parameter, and a message."""

    message: str
    pointer: str = ""  # into the body, after a #
    parameter: str = ""

    def as_dict(self) -> dict[str, str]:
        return {name: text for name, text in asdict(self).items() if text}


@dataclass
class ProblemError(Exception):
    """An error response; `kind` is one of TITLES."""

    kind: str
    detail: str = ""
    errors: list[FieldError] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        status, title = TITLES[self.kind]
        body: dict[str, Any] = {
            "type": f"/api/docs#problem-{self.kind}",
            "title": title,
            "status": status,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        text = json.dumps(body, ensure_ascii=False)
        return Response(text, status, headers=self.headers, mimetype=MIMETYPE)


def register_handlers(blueprint: Blueprint) -> None:
    for kind in (HTTPException, DomainError, NotFoundError, ProblemError):
        blueprint.register_error_handler(kind, response_to)
    for database_error in DB_UNAVAILABLE:
        blueprint.register_error_handler(database_error, unavailable)
    blueprint.register_error_handler(InternalServerError, internal_error)


def refuse_unrouted() -> Response | None:
    """Answer a request that matches no route: without a blueprint, no handler of the API sees its error."""
    error = request.routing_exception
    if error is None or isinstance(
        error, RoutingException
    ):  # a redirect to the route's own spelling
        return None
    if request.path.startswith(PREFIX) and not request.path.startswith("/api/docs"):
        return _from_http_error(error)
    return None


def response_to(error: Exception) -> Response:
    if isinstance(error, ProblemError):
        return error.response()
    if isinstance(error, NotFoundError):
        return ProblemError("not-found", str(error)).response()
    if isinstance(error, DomainError):
        return _from_domain_error(error).response()
    if isinstance(error, HTTPException):
        return _from_http_error(error)
    raise error


def _from_domain_error(error: DomainError) -> ProblemError:
    if isinstance(error, KeyReuseError):
        return ProblemError("key-reused", error.message)
    if isinstance(error, ResponseErasedError):
        return ProblemError("response-expired", error.message)
    if error.field is None:
        return ProblemError("state", error.message)
    return invalid([_field_error(part) for part in error.flatten()], error.note)


def invalid(errors: list[FieldError], detail: str = "") -> ProblemError:
    """The problem that these values are invalid; `detail` applies to all of them."""
    summary = errors[0].message if len(errors) == 1 else f"{len(errors):,} values are invalid."
    return ProblemError("invalid", detail or summary, errors)


def _field_error(error: DomainError) -> FieldError:
    field = _FIELDS.get(error.field or "", error.field)
    return FieldError(error.message, pointer=f"#/{field}")


def _from_http_error(error: HTTPException) -> Response:
    kind = _BY_STATUS.get(error.code or 0, "unreadable")
    response = ProblemError(kind, _DETAILS.get(kind, "")).response()
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers[name] = value
    return response


def internal_error(error: InternalServerError) -> Response:
    """The response to a bug; the log has the details under the reference."""
    reference = _log_failure("unhandled", error.original_exception or error)
    detail = f"Something went wrong on our side. Nothing was changed. Reference {reference}"
    return ProblemError("internal", detail).response()


def unavailable(error: Exception) -> Response:
    reference = _log_failure("the database is unavailable", error)
    detail = f"Nothing was changed. Try again in a moment. Reference {reference}"
    return ProblemError("unavailable", detail, headers={"Retry-After": str(RETRY_AFTER)}).response()


def _log_failure(what: str, error: BaseException) -> str:
    return log_format.log_failure(log, what, f"{request.method} {request.url_rule}", error)
