"""The two steps of a sign-in: send the browser to the provider, and redeem the code that it returns with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
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
SHORTEST, LONGEST = 60, 3600  # seconds after which sessions are checked, whatever the tokens say


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
    entered_at: datetime | None  # when they entered their credentials, if the provider says so
    tokens: Lifetime


@dataclass(frozen=True)
class Lifetime:
    """How long tokens last, in seconds, and what renews them, or ""."""

    lasts: int
    refresh_token: str


@dataclass(frozen=True)
class Renewal:
    """An answer to a refresh token. Providers may leave out the ID token."""

    tokens: Lifetime
    id_token: str
    access_token: str


class RefusedError(Exception):
    """The provider doesn't renew tokens: the person was disabled, or their session there has ended."""


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
    answer = asked(
        "its token endpoint", lambda: _fetch(provider, code=code, code_verifier=verifier)
    )
    id_token, access_token = _text(answer, "id_token"), _text(answer, "access_token")
    if not id_token:
        raise TokenError("the answer has no ID token")
    claims = tokens.verify(id_token, provider, nonce, access_token)
    claims = _completed(provider, claims, access_token)
    return Authentication(
        read_claims(provider, claims),
        id_token,
        _text(claims, "sid"),
        read_auth_time(claims.get("auth_time"), datetime.now(UTC)),
        _lifetime(answer),
    )


def refresh(provider: Provider, refresh_token: str) -> Renewal:
    """Renew tokens. Raises `RefusedError`, or `ProviderError` if the provider doesn't answer that."""
    answer = asked("its token endpoint", lambda: _fetch(provider, refresh_token=refresh_token))
    return Renewal(_lifetime(answer), _text(answer, "id_token"), _text(answer, "access_token"))


def read_renewal(provider: Provider, renewal: Renewal) -> Claims | None:
    """Return what the provider says about the person now; None if it says nothing about their role.

    A new ID token without the role's claim says that they have none; UserInfo alone need not contain it. Raises
    `ProviderError` or `TokenError`.
    """
    if renewal.id_token:
        claims = tokens.verify(renewal.id_token, provider, access_token=renewal.access_token)
        return read_claims(provider, _completed(provider, claims, renewal.access_token))
    if not renewal.access_token or not provider.metadata().userinfo_endpoint:
        return None
    claims = provider.userinfo(renewal.access_token)
    if not _text(claims, "sub"):
        raise TokenError("UserInfo has no subject")
    says = _value(claims, provider.settings.oidc_role_claim) is not None
    return read_claims(provider, claims) if says else None


def _lifetime(answer: dict[str, Any]) -> Lifetime:
    lasts = answer.get("expires_in")
    known = isinstance(lasts, int) and lasts > 0
    return Lifetime(
        max(SHORTEST, min(int(lasts), LONGEST)) if known and lasts else LONGEST,
        _text(answer, "refresh_token"),
    )


def _text(values: dict[str, Any], name: str) -> str:
    """A value that must be text, "" if it's missing or something else."""
    value = values.get(name)
    return value if isinstance(value, str) else ""


def _fetch(provider: Provider, **given: str) -> dict[str, Any]:
    """Send a code or a refresh token to the token endpoint."""
    client, url = _client(provider), provider.metadata().token_endpoint
    try:
        if "code" in given:
            answer = client.fetch_token(
                url, grant_type="authorization_code", allow_redirects=False, **given
            )
        else:
            answer = client.refresh_token(url, allow_redirects=False, **given)
    except AuthlibBaseError as error:
        if error.error == "invalid_grant" and "code" not in given:
            raise RefusedError from None
        raise http.BadAnswerError(f"answered {str(error.error)[:60]!r}") from None
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
    verified = claims.get("email_verified", claims.get("xms_edov"))
    return Claims(
        issuer=provider.metadata().issuer,
        subject=claims["sub"],
        email=_text(claims, "email"),
        verified=verified in (True, "true", "1"),
        name=_text(claims, "name"),
        role=highest_role(settings.oidc_roles, _value(claims, settings.oidc_role_claim)),
    )


def read_auth_time(value: Any, now: datetime) -> datetime | None:
    """Return when credentials were entered; None if the claim is missing, nonsense or in the future.

    Only this proves that someone did so: a provider answers for people with a session there without asking.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= now.timestamp() + tokens.LEEWAY:
        return None
    return min(datetime.fromtimestamp(value, UTC), now)


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
