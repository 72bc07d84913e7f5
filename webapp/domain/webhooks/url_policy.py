"""Allow webhooks to public addresses only, however they are spelled (S9)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from webapp.domain.errors import DomainError

LONGEST = 2_000
PORTS = (443, 8443)
LOOK_UP = 5.0  # seconds

Address = IPv4Address | IPv6Address
Lookup = Callable[[str, int], list[Address]]


class UnresolvableHostError(Exception):
    """A name has no address, or didn't resolve in time; the message says which."""


# Addresses that Python considers global but aren't, or that tunnel to an IPv4 address that may not be.
_NOT_PUBLIC = [
    ip_network(text)
    for text in (
        "192.88.99.0/24",  # relays to IPv6
        "224.0.0.0/3",  # multicast and reserved
        "2001::/23",  # Teredo and similar
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
]
_GLOBAL_V6 = ip_network("2000::/3")


@dataclass(frozen=True)
class Target:
    """Where to connect, parsed once, so that the address used is the one that was checked."""

    scheme: str
    host: str
    port: int
    path: str  # with the query


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
    later. Addresses are checked again at every connection (`jobs/http_client.py`).
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


def resolve(host: str, port: int) -> list[Address]:
    """Resolve a name within five seconds. Raises UnresolvableHostError."""
    future = _names().submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        addresses = future.result(LOOK_UP)
    except TooSlow:
        raise UnresolvableHostError("webhooks.host_timeout") from None
    except (OSError, UnicodeError):
        raise UnresolvableHostError("webhooks.host_not_found") from None
    return [ip_address(str(entry[4][0])) for entry in addresses]


@cache
def _names() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(16, thread_name_prefix="names")


def may_connect(address: Address, allowed: Iterable[str] = ()) -> bool:
    """True for a public address, or one in an allowed network."""
    return public(address) or within(address, allowed)


def within(address: Address, networks: Iterable[str]) -> bool:
    """True if an address is in one of the networks; IPv4 addresses mapped to IPv6 are unwrapped."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ip_network(text) for text in networks)


def public(address: Address) -> bool:
    """True if an address is public: not this machine or network, nor a tunnel to them."""
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _GLOBAL_V6):
        return False  # rejects IPv4 mapped to IPv6, too: there is no reason to write it
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
