"""Allowed webhook URLs, and public addresses (A113, S9)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from webapp.domain.errors import DomainError
from webapp.domain.webhooks.url_policy import target
from webapp.infrastructure.network_policy import public


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://user@example.org/",
        "https://user:word@example.org/",
        "https://example.org:22/",
        "https://example.org:80/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://",
        "https:///path",
        "//example.org/",
        "example.org",
        "https://exa mple.org/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/#part",
        "https://example.org/\r\nX-Injected: 1",
        "https://éxample.org/",
        "https://[::1",
        "https://127.0.0.1%2f@example.org/",
        "https://example.org/" + "a" * 2000,
    ],
)
def test_invalid_webhook_addresses_are_rejected(url: str) -> None:
    """A113: other schemes, ports, credentials in it, and URLs that parsers interpret differently."""
    with pytest.raises(DomainError):
        target(url)


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("2001:4860:4860::8888", True),
        ("64:ff9b::808:808", False),
        ("192.88.99.1", False),
        ("::ffff:8.8.8.8", False),
    ],
)
def test_only_public_addresses_are_allowed(address: str, wanted: bool) -> None:
    assert public(ip_address(address)) is wanted
