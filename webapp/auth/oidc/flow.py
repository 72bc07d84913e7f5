"""The two steps of a sign-in: send the browser to the provider, and redeem the code that it returns with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from requests import RequestException

from webapp.auth.oidc import http, tokens
from webapp.auth.oidc.provider import Provider, asked
from webapp.auth.oidc.tokens import TokenError
from webapp.domain.staff.single_sign_on import Claims
from webapp.models import Role

CALLBACK = "/sso/callback"


@dataclass(frozen=True)
class Request:
    """A request for authentication; everything except the URL stays in the browser's session."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Authentication:
    """A verified answer: who it is, and what the session keeps."""

    claims: Claims
    id_token: str
    sid: str
    at: float | None  # when they entered their credentials, if the provider says so


def begin(provider: Provider, *, again: bool = False) -> Request:
    """Return where to send the browser; `again` has the provider ask for credentials. Raises `ProviderError`."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    extra = {"prompt": "login", "max_age": 0} if again else {}
    url, _ = _client(provider).create_authorization_url(
        provider.metadata().authorization_endpoint,
        state=state,
        nonce=nonce,
        code_verifier=verifier,
        **extra,
    )
    return Request(url, state, nonce, verifier)


def finish(provider: Provider, code: str, nonce: str, verifier: str) -> Authentication:
    """Redeem the code and verify the ID token. Raises `ProviderError` or `TokenError`."""
    answer = asked("its token endpoint", lambda: _redeem(provider, code, verifier))
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    if not isinstance(id_token, str):
        raise TokenError("the answer has no ID token")
    access_token = access_token if isinstance(access_token, str) else ""
    claims = tokens.verify(id_token, provider, nonce, access_token)
    claims = _completed(provider, claims, access_token)
    sid, at = claims.get("sid"), claims.get("auth_time")
    return Authentication(
        read_claims(provider, claims), id_token, sid if isinstance(sid, str) else "", at
    )


def _redeem(provider: Provider, code: str, verifier: str) -> dict[str, Any]:
    try:
        answer = _client(provider).fetch_token(
            provider.metadata().token_endpoint,
            grant_type="authorization_code",
            code=code,
            code_verifier=verifier,
            allow_redirects=False,
        )
    except AuthlibBaseError as error:
        raise http.BadAnswerError(f"refused the code: {str(error.error)[:60]!r}") from None
    except RequestException as error:
        if error.response is None:
            raise
        raise http.BadAnswerError(f"answered with status {error.response.status_code}") from None
    except (ValueError, RecursionError):
        raise http.BadAnswerError("sent something that isn't a JSON object") from None
    return dict(answer)


def _client(provider: Provider) -> OAuth2Session:
    settings, metadata = provider.settings, provider.metadata()
    method = "client_secret_basic" if settings.oidc_client_secret else "none"
    if method not in metadata.auth_methods and "client_secret_post" in metadata.auth_methods:
        method = "client_secret_post"
    client = OAuth2Session(
        settings.oidc_client_id,
        settings.oidc_client_secret or None,
        token_endpoint_auth_method=method,
        scope=settings.oidc_scopes,
        redirect_uri=settings.address + CALLBACK,
        code_challenge_method="S256",
    )
    http.mount(client)
    return client


def _completed(provider: Provider, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
    """Add what the ID token leaves to the UserInfo endpoint."""
    wanted = ("email", provider.settings.oidc_role_claim)
    missing = any(_value(claims, name) is None for name in wanted)
    if not missing or not access_token or not provider.metadata().userinfo_endpoint:
        return claims
    more = provider.userinfo(access_token)
    if more.get("sub") != claims["sub"]:
        raise TokenError("UserInfo is about another subject")
    return {**more, **claims}


def read_claims(provider: Provider, claims: dict[str, Any]) -> Claims:
    settings = provider.settings
    email, name = claims.get("email"), claims.get("name")
    verified = claims.get("email_verified", claims.get("xms_edov"))
    return Claims(
        issuer=provider.metadata().issuer,
        subject=claims["sub"],
        email=email if isinstance(email, str) else "",
        verified=verified in (True, "true", "1"),
        name=name if isinstance(name, str) else "",
        role=highest_role(settings.oidc_roles, _value(claims, settings.oidc_role_claim)),
    )


def _value(claims: dict[str, Any], name: str) -> Any:
    """A claim by its name, or else by the path that the dots in it mean."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def highest_role(mapping: tuple[tuple[str, str], ...], value: Any) -> Role | None:
    """Return the highest role of a claim's values; None if none of them has one."""
    held = {
        item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)
    }
    roles = {role for group, role in mapping if group in held}
    return next((role for role in Role if role in roles), None)
