"""Nothing public names a member who hasn't shared, and links can't be found by trying (OB-2, OB-4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask

from tests.factories import Make
from tests.pages.client import ReviewingClient
from tests.pages.outside.conftest import credential_of, path_of, shared
from webapp.models import Award, Member
from webapp.pages.http.authorization import PUBLIC, permission_of

NAMES = ("nadira.secret", "Nadira Hidden", "nadira@example.org", "member-77")


@pytest.fixture
def member(make: Make) -> Member:
    return make.member(
        "nadira.secret", name="Nadira Hidden", email="nadira@example.org", external_id="member-77"
    )


def public_paths(app: Flask, known: dict[str, object]) -> Iterator[str]:
    """Every public GET route, with the values that a stranger could know, and files that crawlers ask for."""
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint == "static":
            continue
        if permission_of(app, rule.endpoint) == PUBLIC:
            values = {name: known.get(name, "x") for name in rule.arguments}
            yield app.url_map.bind("localhost").build(rule.endpoint, values)
    yield from (
        "/sitemap.xml",
        "/robots.txt",
        "/m/",
        "/credentials/",
        "/badges/1/awards/",
        "/.well-known/",
    )


@pytest.mark.parametrize("shown_as", [None, "anonymous"])
def test_nothing_public_names_a_member_who_shares_no_name(
    app: Flask, client: ReviewingClient, page: str, award: Award, shown_as: str | None
) -> None:
    """No page, JSON, file or header; the credential is signed, and the badge is shared without a name or not at all."""
    credential_of(client, page, award)
    share_token = "x"
    if shown_as:
        share_token = shared(client, page, award, shown_as).rpartition("/")[2]
    known = {
        "number": 0,
        "badge_id": 1,
        "award_id": award.id,
        "member_id": award.member_id,
        "share_token": share_token,
        "kind": "json",
        "guide": "award",
    }
    seen = 0
    for path in public_paths(app, known):
        answer = client.get(path, review=False)
        if answer.status_code == 503:  # readiness, without a queue
            continue
        assert answer.status_code < 500, path
        told = answer.data.decode("utf-8", "replace") + str(answer.headers)
        assert not [name for name in NAMES if name in told], path
        assert page.removeprefix("/m/") not in told, path
        seen += answer.status_code == 200
    assert seen >= 8


def test_tokens_have_128_random_bits_and_tell_nothing_of_each_other(
    app: Flask, client: ReviewingClient, page: str, award: Award, make: Make
) -> None:
    """Each token of a page, a credential and a shared badge is new; one with a single other character is refused."""
    tokens = [page.partition("-")[2]]
    with app.app_context():
        tokens += [path_of(make.member().id).partition("-")[2] for _ in range(50)]
    assert len(set(tokens)) == 51
    for token in tokens:
        assert re.fullmatch(r"[\w-]{22}", token)  # 16 bytes
    public = shared(client, page, award)
    token = public.rpartition("/")[2]
    assert len(token) == 24  # 18 bytes
    for path in (page, public):
        for place in (-2, -10, -20):
            other = "A" if path[place] != "A" else "B"
            guess = path[:place] + other + path[place + 1 :]
            assert client.get(guess, review=False).status_code == 404
    missing = client.get("/m/1-" + "A" * 22, review=False)
    never = client.get("/m/999-" + "A" * 22, review=False)
    assert missing.status_code == never.status_code == 404
    assert missing.text == never.text  # doesn't tell whether the member exists
