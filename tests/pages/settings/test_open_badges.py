"""Turning on Open Badges, the issuer's details and its keys (OB-1)."""

from __future__ import annotations

import pytest

from tests.pages.client import ReviewingClient

PAGE = "/settings/open-badges"


@pytest.mark.databases("sqlite", "postgresql")
def test_an_admin_turns_it_on_and_rotates_the_key(
    as_admin: ReviewingClient, client: ReviewingClient
) -> None:
    assert client.get("/.well-known/did.json", review=False).status_code == 404
    page = as_admin.get(as_admin.post(f"{PAGE}/activation").headers["Location"])
    assert "Open Badges turned on." in page.words("main")
    served = client.get("/.well-known/did.json", review=False)
    assert served.headers["Access-Control-Allow-Origin"] == "*"
    assert served.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    first = served.json["verificationMethod"]
    assert [key["controller"] for key in first] == [served.json["id"]]

    window = as_admin.get(f"{PAGE}/key", htmx=True)
    in_use = window.page.select_one("input[name=in_use]")
    assert in_use is not None
    for _ in range(2):
        as_admin.post(f"{PAGE}/key", {"in_use": str(in_use["value"])})
    second = client.get("/.well-known/did.json", review=False).json["verificationMethod"]
    assert second[1:] == first
    assert len(second) == 2
    assert client.get("/credentials/status/0", review=False).json["type"][1].startswith("Bitstring")
    assert client.get("/credentials/status/7", review=False).status_code == 404


def test_details_are_validated_and_kept(as_admin: ReviewingClient) -> None:
    as_admin.post(f"{PAGE}/activation")
    refused = as_admin.post(PAGE, {"url": "ftp:forum", "email": "nobody"})
    assert refused.status_code == 422
    assert "Enter a web address" in refused.words("#url-error")
    assert "Enter a complete email" in refused.words("#email-error")
    as_admin.post(PAGE, {"url": "https://forum.example.org", "email": "hello@example.org"})
    page = as_admin.get(PAGE)
    field = page.page.select_one("#url")
    assert field is not None
    assert field["value"] == "https://forum.example.org"


def test_changes_need_open_badges_to_be_on(as_admin: ReviewingClient) -> None:
    assert as_admin.post(PAGE, {"url": "", "email": ""}).status_code == 422
    assert as_admin.post(f"{PAGE}/key", {"in_use": "1"}).status_code == 422


def test_only_admins_see_it(as_dev: ReviewingClient) -> None:
    assert as_dev.get(PAGE).status_code == 403
