"""Verify the provider's ID tokens."""

from __future__ import annotations

import logging
import time
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwt import JWTClaimsRegistry, Token

from webapp.auth.oidc.provider import Provider
from webapp.domain.errors import DomainError

log = logging.getLogger(__name__)

# Only asymmetric ones: `none` proves nothing, and anyone can use a public key as the secret of HS256.
ALGORITHMS = [f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)]
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
RECENT = 300  # seconds that a logout token is accepted
LEEWAY = 60  # seconds that clocks may differ
LONGEST = 255  # characters of a subject


class TokenError(DomainError):
    """A token can't be trusted; the reason is only logged."""

    def __init__(self, reason: str) -> None:
        super().__init__("sso.token_rejected")
        log.warning("single sign-on: token rejected: %s", reason)


def verify(
    token: str, provider: Provider, nonce: str | None = None, access_token: str = ""
) -> dict[str, Any]:
    """Return the claims of an ID token. Raises `TokenError`, or `ProviderError` if there are no keys to check it.

    `nonce` is the one of the request.
    """
    try:
        return _verified(token, provider, nonce, access_token)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TokenError(str(error)[:200] or type(error).__name__) from None


def _verified(
    token: str, provider: Provider, nonce: str | None, access_token: str
) -> dict[str, Any]:
    decoded = decode(token, provider)
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        options={
            "iss": {"essential": True, "value": provider.metadata().issuer},
            "aud": {"essential": True, "value": provider.settings.oidc_client_id},
        },
        params={
            "nonce": nonce,
            "client_id": provider.settings.oidc_client_id,
            "access_token": access_token,
        },
    )
    claims.validate(leeway=LEEWAY)
    if not 0 < len(claims["sub"]) <= LONGEST:
        raise ValueError("the subject is empty or too long")
    return dict(claims)


def decode(token: str, provider: Provider) -> Token:
    """Check a token's signature, with renewed keys if none of the known ones fits."""
    try:
        return jwt.decode(token, provider.keys(), algorithms=ALGORITHMS)
    except (InvalidKeyIdError, BadSignatureError):
        return jwt.decode(token, provider.keys(renewed=True), algorithms=ALGORITHMS)


def verify_logout(token: str, provider: Provider) -> tuple[str, str]:
    """Return the subject and the session that a logout token ends; one of them may be "".

    Raises `TokenError` or `ProviderError`.
    """
    try:
        claims = decode(token, provider).claims
        JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": provider.metadata().issuer},
            aud={"essential": True, "value": provider.settings.oidc_client_id},
            iat={"essential": True},
        ).validate(claims)
        subject, sid = claims.get("sub", ""), claims.get("sid", "")
        named = isinstance(subject, str) and isinstance(sid, str) and (subject or sid)
        if not named or LOGOUT not in claims["events"] or "nonce" in claims:
            raise ValueError("not a logout token")
        if claims["iat"] < time.time() - RECENT:
            raise ValueError("an old logout token")
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TokenError(str(error)[:200] or type(error).__name__) from None
    return subject, sid
