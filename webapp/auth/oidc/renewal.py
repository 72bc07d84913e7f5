"""Ask the provider again when its tokens expire: roles and accounts that ended there end here (SSO-2, SSO-4)."""

from __future__ import annotations

from datetime import timedelta

from webapp.auth.oidc import flow
from webapp.auth.oidc.flow import Renewal
from webapp.auth.oidc.provider import Provider, ProviderError
from webapp.auth.oidc.tokens import TokenError
from webapp.domain.actor import Actor
from webapp.domain.staff import provider_sessions
from webapp.transaction import transaction

RETRY = timedelta(seconds=60)  # if the provider is away, and for requests at the same time


def still_valid(provider: Provider, session_id: int, actor: Actor) -> bool:
    """Return False if the provider ends a session that is due. If it's away, the session goes on.

    One request at a time asks; the others continue.
    """
    with transaction():
        refresh_token = provider_sessions.claim_check(session_id, actor.at, actor.at + RETRY)
    if refresh_token is None:
        return True
    try:
        if not refresh_token:  # nothing to ask with: signing in again takes one click
            provider.require_answer()
            return False
        renewal = flow.refresh(provider, refresh_token)
        if renewal.tokens.refresh_token:
            with transaction():
                provider_sessions.keep_token(session_id, renewal.tokens.refresh_token)
        return _reread(provider, session_id, renewal, actor)
    except flow.RefusedError:
        with transaction():
            provider_sessions.end_refused(session_id, actor)
        return False
    except ProviderError:
        return True


def _reread(provider: Provider, session_id: int, renewal: Renewal, actor: Actor) -> bool:
    """Apply what the provider says about the person now. Raises `ProviderError` if it doesn't say."""
    try:
        claims = flow.read_renewal(provider, renewal)
    except TokenError:
        with transaction():
            provider_sessions.end_unverified(session_id, actor)
        return False
    with transaction():
        refusal = provider_sessions.reread_role(session_id, claims, actor) if claims else ""
        if refusal == "sso.someone_else":
            provider_sessions.end_unverified(session_id, actor)
        next_at = actor.at + timedelta(seconds=renewal.tokens.lasts)
        provider_sessions.postpone_check(session_id, next_at)
    return not refusal
