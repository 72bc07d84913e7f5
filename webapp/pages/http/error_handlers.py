"""Error responses: a page, or for htmx a message (S12)."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, make_response, render_template
from flask_wtf.csrf import CSRFError
from htmx_flask import request
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError

from webapp.database import DB_UNAVAILABLE, RETRY_AFTER
from webapp.domain.community import Brand
from webapp.domain.credentials.issuer import SecretsUnreadableError
from webapp.domain.errors import DomainError, NotFoundError
from webapp.infrastructure import log_format

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(DomainError, refused)
    app.register_error_handler(NotFoundError, not_found)
    app.register_error_handler(SecretsUnreadableError, unavailable)
    for kind in DB_UNAVAILABLE:
        app.register_error_handler(kind, database_away)
    app.register_error_handler(InternalServerError, fault)
    # fault() logs a reference and the route's pattern; Flask would log the path as well.
    app.log_exception = lambda *_: None  # type: ignore[method-assign]


def http_error(error: HTTPException) -> Response:
    if error.response is not None or error.code is None or error.code < 400:
        return make_response(error.get_response())
    if isinstance(error, SecurityError):  # no page can be rendered without a valid Host
        return Response(
            "This site isn't available at that address. Ask the person who runs it for the correct one.\n",
            400,
            mimetype="text/plain",
        )
    message = error.description if error.description != type(error).description else None
    shown = error.code
    if shown == 400 and not isinstance(error, CSRFError):
        shown = 422
        message = "The request was incomplete or couldn't be read. Nothing was changed."
    elif isinstance(error, CSRFError):
        message = None
    answer = _answer(error.code, message, shown=shown)
    for name, value in error.get_headers():
        if name != "Content-Type":
            answer.headers[name] = value
    return answer


def refused(refusal: DomainError) -> Response:
    return _answer(409, refusal.message)


def unavailable(refusal: DomainError) -> Response:
    return _answer(503, refusal.message)


def not_found(_: NotFoundError) -> Response:
    return _answer(404)


def database_away(error: Exception) -> Response:
    """The database is unreachable or timed out: ask to try again, without logging a traceback."""
    reference = _log_failure("the database did not answer", error)
    answer = _answer(503, "The database isn't responding. Nothing was changed.", reference)
    answer.headers["Retry-After"] = str(RETRY_AFTER)
    return answer


def fault(error: InternalServerError) -> Response:
    return _answer(500, None, _log_failure("unhandled", error.original_exception or error))


def _log_failure(what: str, error: BaseException) -> str:
    return log_format.log_failure(log, what, f"{request.method} {request.url_rule}", error)


def _answer(
    code: int, message: str | None = None, reference: str | None = None, shown: int | None = None
) -> Response:
    """Render the page for `code`, or the one for `shown` with that status; for htmx a message added to the page."""
    values = {
        "code": shown or code,
        "message": message,
        "reference": reference,
        "back": _back(),
        # Without a matching route there is no blueprint, such as when the address of a form is opened.
        "outside": request.blueprint == "outside" or request.path.startswith("/m/"),
    }
    if code < 500:
        try:
            return make_response(render_template("errors/error.html", **values), code)
        except DB_UNAVAILABLE as problem:  # it shows who is signed in
            return database_away(problem)
    if request.htmx:  # not swapped in: the script shows its own message
        return Response(
            f"Something went wrong. Reference {reference}\n", code, mimetype="text/plain"
        )
    # Bypasses Flask's rendering, which would look up the signed-in person: that may be what failed.
    template = current_app.jinja_env.get_template("errors/error.html")
    return make_response(template.render(**values, current_staff=None, community=Brand()), code)


def _back() -> str:
    """The path of the previous page; "" if there is none, or if it is another site's or this page."""
    before = urlsplit(request.referrer or "")
    if before.netloc != request.host or not before.path.startswith("/"):
        return ""
    path = "/" + before.path.lstrip("/\\") + (f"?{before.query}" if before.query else "")
    return "" if path == request.full_path.rstrip("?") else path
