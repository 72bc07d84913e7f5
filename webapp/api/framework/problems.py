"""Errors of the API: problem details (RFC 9457), with all field errors at once."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import RoutingException

from webapp.database import DB_UNAVAILABLE, RETRY_AFTER
from webapp.domain.api_access.idempotency import KeyReuseError, ResponseErasedError
from webapp.domain.errors import DomainError, NotFoundError
from webapp.domain.webhooks.event_feed import EventsExpiredError
from webapp.infrastructure import log_format
from webapp.schemas.problems import MIMETYPE, TITLES, text_of

log = logging.getLogger(__name__)

PREFIX = "/api/"

_BY_STATUS = {404: "not-found", 405: "method", 413: "too-large", 415: "media-type"}
_DETAILS = {
    "not-found": "There is nothing at this URL.",
    "method": "This URL doesn't have this method.",
    "unreadable": "The request is incomplete or malformed. Nothing was changed.",
    "too-large": "A body can have up to 1 MB. Split it into several requests.",
}
# Fields that have another name in the API than in the domain.
_FIELDS = {"to": "members", "expires": "expires_at", "kinds": "events", "colour": "color"}


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
        status, _ = TITLES[self.kind]
        text = text_of(self.kind, self.detail, [error.as_dict() for error in self.errors])
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
    if isinstance(error, EventsExpiredError):
        return ProblemError("events-expired", error.message)
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
