"""Ask the provider again when its tokens expire: someone who was disabled there is signed out here (SSO-4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from webapp.auth.oidc import flow
from webapp.auth.oidc.provider import Provider, ProviderError
from webapp.domain.staff import provider_sessions
from webapp.domain.staff.provider_sessions import Tokens
from webapp.transaction import transaction

RETRY = timedelta(seconds=60)  # if the provider is away, and for requests at the same time


def still_valid(provider: Provider, session_id: int, at: datetime) -> bool:
    """Return False if the provider refuses to renew a session that is due. If it's away, the session goes on.

    One request at a time asks; the others continue.
    """
    with transaction():
        refresh_token = provider_sessions.claim_check(session_id, at, at + RETRY)
    if refresh_token is None:
        return True
    try:
        if not refresh_token:  # nothing to ask with: signing in again takes one click
            provider.require_answer()
            return False
        tokens = flow.refresh(provider, refresh_token)
    except flow.RefusedError:
        return False
    except ProviderError:
        return True
    with transaction():
        provider_sessions.renew(
            session_id,
            Tokens(tokens.refresh_token or refresh_token, at + timedelta(seconds=tokens.lasts)),
        )
    return True
