"""Signing in through an OpenID Connect provider (SSO-1)."""

from __future__ import annotations

import time
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Blueprint, Flask, abort, current_app, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.auth.staff_sessions import ProviderSession
from webapp.config import Settings
from webapp.domain.errors import DomainError
from webapp.domain.permissions import Permission
from webapp.domain.staff import provider_sessions, single_sign_on
from webapp.pages.auth.login import safe_next
from webapp.pages.http import browser_session
from webapp.pages.http.authorization import (
    anonymous_actor,
    current_session,
    permit,
    public,
)
from webapp.pages.http.request_args import short
from webapp.transaction import transaction

if TYPE_CHECKING:
    from webapp.auth.oidc.flow import Authentication

blueprint = Blueprint("sso", __name__, url_prefix="/sso")

PATIENCE = 600  # seconds that people may take at the provider
MOST = 3  # sign-ins that one browser can have begun, in several tabs
LONGEST_NEXT = 500  # characters; the cookie has no room for more

PLAIN = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
CLOCKS_DIFFER = 60  # seconds


@dataclass(frozen=True)
class Begun:
    """What a browser's session remembers while its person is at the provider."""

    nonce: str = ""
    verifier: str = ""
    at: int = 0
    onward: str = ""
    session_id: int = 0  # to confirm, 0 to sign in


def init_app(app: Flask) -> None:
    settings: Settings = app.config["LAUREL"]
    app.register_blueprint(blueprint)
    app.jinja_env.globals["provider_name"] = settings.oidc_name if settings.oidc_issuer else ""


@blueprint.get("", endpoint="begin")
@public
def begin() -> ResponseReturnValue:
    """Send the browser to the provider."""
    _require_provider()
    return _send(safe_next(request.args.get("next")))


@blueprint.get("/confirmation", endpoint="confirm")
@permit(Permission.VIEW)
def confirm() -> ResponseReturnValue:
    """Have the provider ask for the password again, to confirm this session."""
    _require_provider()
    return _send(safe_next(request.args.get("next")), current_session().id)


@blueprint.get("/callback", endpoint="callback")
@public
def finish() -> ResponseReturnValue:
    """Sign in the person whom the provider names. Unlike other GETs this writes, but only once for each state."""
    _require_provider()
    begun = _taken(request.args.get("state", ""))
    try:
        _require_good_answer(begun)
        authentication = _authenticate(begun)
        if begun.session_id:
            _confirm(begun, authentication)
        else:
            _sign_in(authentication)
    except DomainError as refusal:
        return _refuse(refusal, begun.onward)
    return redirect(safe_next(begun.onward), 303)


@blueprint.post("/back-channel-logout", endpoint="back_channel_logout")
@public
def end_by_token() -> ResponseReturnValue:
    """The provider ends sessions, by a request of its own with a signed token."""
    _require_provider()
    from webapp.auth.oidc import provider, tokens

    asked = provider.current_provider()
    try:
        subject, sid = tokens.verify_logout(request.form.get("logout_token", ""), asked)
        _end(asked.metadata().issuer, subject, sid)
    except tokens.TokenError as refusal:
        return {"error": "invalid_request", "error_description": refusal.message}, 400
    except provider.ProviderError as refusal:
        return {"error": "temporarily_unavailable", "error_description": refusal.message}, 503
    return "", 200, PLAIN


@blueprint.get("/front-channel-logout", endpoint="front_channel_logout")
@public
def end_by_frame() -> ResponseReturnValue:
    """The provider ends its session `sid` by a hidden frame, which sends no cookie. Only the provider knows the ID."""
    _require_provider()
    from webapp.auth.oidc import provider

    issuer, sid = request.args.get("iss", ""), request.args.get("sid", "")
    try:
        known = provider.current_provider().metadata().issuer
    except provider.ProviderError as refusal:
        return refusal.message, 503, PLAIN
    if issuer != known or not sid:
        return "The request needs the provider's iss and sid.", 400, PLAIN
    _end(known, "", sid)
    return "Signed out.", 200, PLAIN


def _end(issuer: str, subject: str, sid: str) -> None:
    with transaction():
        provider_sessions.end(issuer, subject, sid, anonymous_actor())


def sign_out_address(session_id: int) -> str:
    """The provider's page that ends its session too, "" if there is none or the provider is away."""
    id_token = provider_sessions.id_token(session_id) if _settings().oidc_issuer else ""
    if not id_token:
        return ""
    from webapp.auth.oidc import provider

    try:
        endpoint = provider.current_provider().metadata().end_session_endpoint
    except provider.ProviderError:
        return ""
    settings = _settings()
    query = {
        "id_token_hint": id_token,
        "client_id": settings.oidc_client_id,
        "post_logout_redirect_uri": settings.address + url_for("security.login"),
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}" if endpoint else ""


def _send(onward: str, session_id: int = 0) -> ResponseReturnValue:
    """Redirect to the provider, and remember in the browser's session what must come back."""
    from webapp.auth.oidc import flow, provider

    try:
        asked = flow.begin(provider.current_provider(), again=bool(session_id))
    except DomainError as refusal:
        return _refuse(refusal, onward)
    onward = onward if len(onward) <= LONGEST_NEXT else ""
    begun = Begun(asked.nonce, asked.verifier, int(time.time()), onward, session_id)
    earlier = list(session.get("sso", {}).items())
    session["sso"] = dict([*earlier[1 - MOST :], (asked.state, astuple(begun))])
    return redirect(asked.url, 303)


def _taken(state: str) -> Begun:
    """Return what this browser's session remembers of a state, and forget it."""
    remembered = session.get("sso", {})
    begun = Begun(*remembered.pop(state, ()))
    session["sso"] = remembered
    return begun


def _require_good_answer(begun: Begun) -> None:
    """Raise `DomainError` if nothing in this browser waits for the answer, or if it's an error."""
    error = request.args.get("error", "")
    if error == "access_denied":  # some providers don't return the state with it
        raise DomainError("sso.cancelled")
    if not begun.nonce or time.time() - begun.at > PATIENCE:
        raise DomainError("sso.state_unknown")
    if error:
        raise DomainError("sso.declined", error=short(error))


def _sign_in(authentication: Authentication) -> None:
    """Raises `DomainError`."""
    with transaction():
        single_sign_on.end_outage(_settings().oidc_issuer)
        found = single_sign_on.sign_in(
            authentication.claims, _settings().oidc_create == "yes", anonymous_actor()
        )
    if found.person is None:
        raise DomainError(found.refusal)
    tokens = authentication.tokens
    browser_session.begin(
        found.person,
        ProviderSession(
            found.identity_id,
            authentication.sid,
            authentication.id_token,
            tokens.refresh_token,
            datetime.now(UTC) + timedelta(seconds=tokens.lasts),
            authentication.entered_at,
        ),
    )


def _confirm(begun: Begun, authentication: Authentication) -> None:
    """Confirm the session that asked for it. Raises `DomainError`."""
    staff_session = browser_session.current()
    if staff_session is None or staff_session.id != begun.session_id:
        raise DomainError("sso.state_unknown")
    entered_at = authentication.entered_at
    if entered_at is None:
        raise DomainError("sso.no_auth_time")
    if entered_at.timestamp() < begun.at - CLOCKS_DIFFER:
        raise DomainError("sso.not_asked_again")
    with transaction():
        refusal = provider_sessions.confirm(
            staff_session.id, authentication.claims, entered_at, anonymous_actor()
        )
    if refusal:
        raise DomainError(refusal)


def _authenticate(begun: Begun) -> Authentication:
    """Raises `DomainError`."""
    from webapp.auth.oidc import flow, provider, tokens

    asked = provider.current_provider()
    metadata = asked.metadata()
    issuer = request.args.get("iss")
    if (issuer is not None or metadata.names_issuer) and issuer != metadata.issuer:
        raise tokens.TokenError("the response comes from another issuer")
    return flow.finish(asked, request.args.get("code", ""), begun.nonce, begun.verifier)


def _refuse(refusal: DomainError, onward: str) -> ResponseReturnValue:
    """Say why on the sign-in page. If the provider is the reason, others are told before they try."""
    if refusal.text.code in ("sso.unreachable", "sso.provider_wrong"):
        with transaction():
            issuer = _settings().oidc_issuer
            single_sign_on.note_outage(issuer, refusal.text.code, datetime.now(UTC))
    flash(refusal.message, "error")
    return redirect(url_for("security.login", next=onward or None), 303)


def _require_provider() -> None:
    if not _settings().oidc_issuer:
        abort(redirect(url_for("security.login"), 303))


def _settings() -> Settings:
    settings: Settings = current_app.config["LAUREL"]
    return settings
