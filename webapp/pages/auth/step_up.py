"""Step-up authentication: actions that change who has access ask for the password unless just confirmed (R-4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flask import Flask, current_app, g, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from htmx_flask import request
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from webapp.domain.errors import DomainError
from webapp.domain.staff import login_throttle, sessions, single_sign_on, two_factor
from webapp.pages.auth import form_summary, reauthentication
from webapp.pages.http import saved_form
from webapp.pages.http.authorization import (
    View,
    current_actor,
    current_session,
    current_staff,
    return_url,
)
from webapp.transaction import transaction

FRESH = timedelta(minutes=10)
PASSWORD, CODE = "confirm_password", "confirm_code"
WRONG_PASSWORD = "staff.password_wrong"
WRONG_CODE = "staff.code_used"


def confirmed(words: str) -> Callable[[View], View]:
    def state(view: View) -> View:
        view.__dict__["confirms"] = words
        return view

    return state


def confirms(app: Flask, endpoint: str) -> str | None:
    """Describe in words what an endpoint asks to confirm; None if it needs no confirmation."""
    return getattr(app.view_functions[endpoint], "confirms", None)


def init_app(app: Flask) -> None:
    app.before_request(_guard)


def is_due() -> bool:
    return datetime.now(UTC) - current_session().confirmed_at > FRESH


def _guard() -> ResponseReturnValue | None:
    """Ask first. The confirmation is posted to the same URL with the same fields, and then the view runs."""
    words = confirms(current_app, request.endpoint) if request.endpoint else None
    if words is None or not is_due():
        return None
    if single_sign_on.is_used(current_session().id):
        kept = saved_form.save(current_staff.security_stamp)
        return _ask(words, 200, onward=url_for("security.typed") if kept else return_url() or "/")
    if PASSWORD not in request.form:
        return _ask(words, 200)
    try:
        _confirm()
    except DomainError as refusal:
        return _ask(words, 422, {refusal.field or "": [refusal.message]})
    except TooManyRequests as refusal:
        answer = _ask(words, 429, {"": [refusal.description or ""]})
        answer.headers["Retry-After"] = dict(refusal.get_headers())["Retry-After"]
        return answer
    return None


def _confirm() -> None:
    """Check the credentials and mark the session as confirmed.

    Raises `DomainError` with the field, or `TooManyRequests`.
    """
    try:
        password = reauthentication.require_password(PASSWORD)
    except DomainError as refusal:
        raise DomainError(WRONG_PASSWORD, refusal.field) from None
    actor, code = current_actor(), request.form.get(CODE, "")
    attempt = _count_code(actor.at) if two_factor.is_on(current_staff.id) else None
    with transaction():
        right = sessions.confirm(current_session().id, password, code, actor)
        if attempt and right:
            login_throttle.cancel_attempt(attempt)
        elif attempt:
            login_throttle.record_failure(attempt, actor.staff.email if actor.staff else "", actor)
    if not right:
        raise DomainError(WRONG_CODE, CODE)
    g.staff_session = replace(current_session(), confirmed_at=actor.at)


def _count_code(at: datetime) -> int:
    """Count a code as wrong before checking it. Return the number needed to undo that."""
    email, address = current_staff.email, request.remote_addr or ""
    try:
        with transaction():
            return login_throttle.record_confirmation(current_session().id, email, address, at)
    except login_throttle.TooManyAttemptsError as refusal:
        raise reauthentication.too_many(refusal) from None


def _ask(
    words: str,
    status: int,
    errors: dict[str, list[str]] | None = None,
    onward: str | None = None,
) -> Response:
    """Render the question with the original request's fields: a dialog for htmx, otherwise a page.

    In a session that began at the provider, its link leads there and then to `onward`.
    """
    fields = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name not in ("csrf_token", PASSWORD, CODE)
    ]
    page = "security/_step_up.html" if request.htmx else "security/step_up.html"
    answer = make_response(
        render_template(
            page,
            words=words,
            errors=errors or {},
            fields=fields,
            rows=form_summary.rows(request.path, fields),
            action=request.full_path.rstrip("?"),
            back=return_url() or "/",
            asks_code=two_factor.is_on(current_staff.id),
            walled=current_session().must_set_up,
            onward=onward,
        ),
        status,
    )
    if request.htmx:
        answer.headers |= {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"}
    return answer
