"""Addresses that webhooks may be sent to: public ones, by whatever spelling, and no others (S9)."""

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
    """A name has no address, or none in time; the message says which."""


# What Python calls global and is not, or leads to an address of version 4 that may not be.
_NOT_PUBLIC = [
    ip_network(text)
    for text in (
        "192.88.99.0/24",  # relays to version 6
        "224.0.0.0/3",  # multicast and what is reserved
        "2001::/23",  # Teredo and others of the kind
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
]
_GLOBAL_V6 = ip_network("2000::/3")


@dataclass(frozen=True)
class Target:
    """Where to connect to, taken apart once: what is checked is what is used."""

    scheme: str
    host: str
    port: int
    path: str  # with the query


def target(url: str, allowed: Iterable[str] = ()) -> Target:
    """The parts of a webhook's address; raises DomainError where none may be sent to it.

    https, one of two ports, a name or a public address. With `allowed` networks (for development) also http and any
    port; whether the address lies in one of them is seen when it is known: see `may_connect`.
    """
    parts = _split(url)
    lenient = bool(list(allowed))
    if parts.scheme != "https" and not (lenient and parts.scheme == "http"):
        raise DomainError("webhooks.url_scheme", "url")
    host = _host(parts)
    port = parts.port if parts.port is not None else (443 if parts.scheme == "https" else 80)
    if port not in PORTS and not lenient:
        raise DomainError("webhooks.url_port", "url", one=PORTS[0], other=PORTS[1])
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
        _ = parts.port  # parsed when it is read
    except ValueError:
        raise DomainError("webhooks.url_invalid", "url") from None
    return parts


def _host(parts: SplitResult) -> str:
    """The host name of an address that names nothing else beside it."""
    if not parts.hostname or "%" in parts.netloc:
        raise DomainError("webhooks.url_host", "url")
    if parts.username is not None or parts.password is not None:
        raise DomainError("webhooks.url_credentials", "url")
    if parts.fragment:
        raise DomainError("webhooks.url_fragment", "url")
    return parts.hostname


def ensure_public(url: str, allowed: Iterable[str] = (), lookup: Lookup | None = None) -> None:
    """Look a webhook's name up before it is saved; raises DomainError if any of its addresses may not be connected to.

    Takes up to five seconds: to be called outside a transaction. A name that isn't found may be saved, as it may be
    there tomorrow. What it leads to is checked again at every connection (`jobs/http_client.py`).
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
    """The addresses of a name, in no more than five seconds; raises NoAddress where there are none."""
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
    """Whether a webhook may go to an address: a public one, or one in a network that is allowed."""
    return public(address) or within(address, allowed)


def within(address: Address, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks; one of version 4 written in version 6 is what it stands for."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ip_network(text) for text in networks)


def public(address: Address) -> bool:
    """Whether everybody may be meant by an address: not this machine, this network, nor a way around to them."""
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _GLOBAL_V6):
        return False  # version 4 written in version 6 is among them: whoever means it writes it
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
