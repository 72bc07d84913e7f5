"""Signing in and out (R-2, S2, S6, S7)."""

from __future__ import annotations

from tests.pages.client import ReviewingClient


def test_the_page(client: ReviewingClient) -> None:
    assert client.get("/sign-in").status_code == 200


def test_nothing_here(client: ReviewingClient, as_support: ReviewingClient) -> None:
    assert client.get("/none").status_code == 404
    assert as_support.get("/none").status_code == 404
