"""Allow webhooks to public addresses only, however they are spelled (S9)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from webapp.domain.errors import DomainError
from webapp.infrastructure.network_policy import (
    Address,
    Lookup,
    Target,
    UnresolvableHostError,
    may_connect,
    resolve,
)

LONGEST = 2_000
PORTS = (443, 8443)


def target(url: str, allowed: Iterable[str] = ()) -> Target:
    """Parse a webhook's URL. Raises DomainError if webhooks may not be sent to it.

    Requires https, one of two ports, and a name or public address. `allowed` networks (for development) also permit
    http and any port; `may_connect` checks the resolved address.
    """
    parts = _split(url)
    lenient = bool(list(allowed))
    if parts.scheme != "https" and not (lenient and parts.scheme == "http"):
        raise DomainError("webhooks.url_scheme", "url")
    host = _host(parts)
    port = parts.port if parts.port is not None else (443 if parts.scheme == "https" else 80)
    if port not in PORTS and not lenient:
        raise DomainError("webhooks.url_port", "url")
    literal = _literal(host)
    if literal is not None and not may_connect(literal, allowed):
        raise DomainError("webhooks.url_private", "url")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path)


def _split(url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise DomainError("webhooks.url_characters", "url")
    if len(url) > LONGEST:
        raise DomainError("webhooks.url_too_long", "url", limit=LONGEST)
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed when accessed
    except ValueError:
        raise DomainError("webhooks.url_invalid", "url") from None
    return parts


def _host(parts: SplitResult) -> str:
    """Return the host name, rejecting user names and other additions."""
    if not parts.hostname or "%" in parts.netloc:
        raise DomainError("webhooks.url_host", "url")
    if parts.username is not None or parts.password is not None:
        raise DomainError("webhooks.url_credentials", "url")
    if parts.fragment:
        raise DomainError("webhooks.url_fragment", "url")
    return parts.hostname


def ensure_public(url: str, allowed: Iterable[str] = (), lookup: Lookup | None = None) -> None:
    """Resolve a webhook's host before it is saved. Raises DomainError if any of its addresses may not be connected to.

    Takes up to five seconds: call it outside a transaction. A name that isn't found may be saved, because it may exist
    later. Addresses are checked again at every connection (`webapp/infrastructure/http_client.py`).
    """
    allowed = list(allowed)
    to = target(url, allowed)
    host = to.host.rstrip(".")
    try:
        if host == "localhost" or host.endswith(".localhost"):  # a resolver may not know it
            addresses: list[Address] = [ip_address("127.0.0.1")]
        else:
            addresses = (lookup or resolve)(host, to.port)
    except UnresolvableHostError:
        return
    if not all(may_connect(address, allowed) for address in addresses):
        raise DomainError("webhooks.url_private", "url")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
