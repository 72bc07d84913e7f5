"""The limit of requests per key, and the headers that tell callers what remains of it (A-5, A-14).

`RateLimit-Policy` and `RateLimit` are the structured fields of the IETF's draft (draft-ietf-httpapi-ratelimit-headers).
"""

from __future__ import annotations

from flask import Response, current_app, g, request

from webapp.domain.api_access import keys as api_keys
from webapp.infrastructure.rate_limiter import WINDOW, Quota, RateLimiter

PREFIX = "/api/v1/"
DESCRIPTIONS = {
    "RateLimit-Policy": (
        "The limit of requests per API key: `q` requests in `w` seconds.",
        '"key";q=600;w=60',
    ),
    "RateLimit": (
        "What remains of it: `r` requests, until the limit starts over in `t` seconds.",
        '"key";r=599;t=60',
    ),
}


def count(name: str) -> Quota:
    """Count a request of the key with this hash."""
    g.quota = quota = _limiter().hit(name, _limit())
    return quota


def add_headers(response: Response) -> Response:
    """Tell what remains, also in responses to requests that weren't counted."""
    if request.path.startswith(PREFIX):
        quota = g.get("quota") or _limiter().peek(_name(), _limit())
        response.headers["RateLimit-Policy"] = f'"key";q={quota.limit};w={WINDOW}'
        response.headers["RateLimit"] = f'"key";r={quota.remaining};t={quota.seconds}'
    return response


def _name() -> str:
    """The name under which a request with this key is counted."""
    return api_keys.hash_of(request.headers.get("Authorization", "").partition(" ")[2].strip())


def _limit() -> int:
    return int(current_app.config["LAUREL"].api_requests)


def _limiter() -> RateLimiter:
    limiter: RateLimiter = current_app.extensions["rate_limiter"]
    return limiter
