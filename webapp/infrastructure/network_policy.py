"""Which addresses may be connected to: public ones, however they are spelled (S9)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

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
