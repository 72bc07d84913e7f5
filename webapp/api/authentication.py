"""Authentication by API key: its scopes and its rate limit (A-3, A-5, S8). Sessions are ignored."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from datetime import datetime

from flask import g, request

from webapp.api import rate_limits
from webapp.api.framework.problems import ProblemError
from webapp.auth import api_callers as callers
from webapp.database import DB_UNAVAILABLE
from webapp.domain.actor import Actor
from webapp.domain.api_access.keys import SHAPE
from webapp.domain.audit_log import denials
from webapp.domain.permissions import Scope
from webapp.messages.plurals import plural
from webapp.models import ApiKey, Origin
from webapp.transaction import transaction

log = logging.getLogger(__name__)

_NAMES = {"key", "api_key", "apikey", "api-key", "access_token", "token", "authorization"}
_ASKS = {"WWW-Authenticate": 'Bearer realm="Laurel"'}


def caller(scope: Scope, at: datetime) -> ApiKey:
    """Return the key that makes the request.

    Raises ProblemError if there is no valid key, it lacks the scope, or it has reached its rate limit.
    """
    if re.search(SHAPE, request.full_path) or _NAMES & {name.lower() for name in request.args}:
        raise ProblemError(
            "key-in-url",
            "URLs are stored in logs and histories. Send the key in the Authorization header, and revoke the key "
            "that was in the URL.",
            headers=_ASKS,
        )
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if not kind:
        raise ProblemError(
            "key-missing",
            "Send your API key in the header Authorization: Bearer.",
            headers=_ASKS,
        )
    if kind.lower() != "bearer":
        raise ProblemError(
            "key-refused",
            "The scheme of the Authorization header must be Bearer.",
            headers=_ASKS,
        )
    try:
        key = callers.find(text.strip(), at)
    except callers.InvalidKeyError as refused:
        log.warning(
            "refused %s to %s from %s: %s", _route(), refused.whose, request.remote_addr, refused
        )
        headers = {"WWW-Authenticate": _ASKS["WWW-Authenticate"] + ', error="invalid_token"'}
        raise ProblemError("key-refused", str(refused), headers=headers) from None
    g.api_key = key  # for the log of requests
    quota = rate_limits.count(key.key_hash)
    if quota.exceeded:
        raise ProblemError(
            "too-many",
            f"Each key can send {quota.limit:,} requests per minute. "
            f"Try again in {plural(quota.seconds, 'second')}.",
            headers={"Retry-After": str(quota.seconds)},
        )
    if scope not in key.scopes:
        _note_denial(key, at)
        raise ProblemError(
            "scope", f"This needs the scope {scope}. The key has {', '.join(key.scopes)}."
        )
    return key


def _note_denial(key: ApiKey, at: datetime) -> None:
    """Record a missing scope: in the log every time, in the audit log once an hour."""
    log.warning("refused %s to API key %s from %s", _route(), key.id, request.remote_addr)
    actor = Actor(at, Origin.API, key=key, address=request.remote_addr or "")
    with (
        suppress(*DB_UNAVAILABLE),
        transaction(),
    ):  # the response is the same even if this can't be recorded
        denials.record_denial(_route(), actor)


def _route() -> str:
    return f"{request.method} {request.url_rule}"
