"""Rules for views: each declares its permission, and reading writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from tests.pages.review import problems
from tests.pages.settings.test_connections import make_connection
from webapp.adapters.contract import RemoteBadge
from webapp.domain import community
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.awards import group as group_awards
from webapp.domain.badges import catalogue, image_processing, images
from webapp.domain.badges.image_processing import Picture
from webapp.domain.connections import mappings
from webapp.domain.credentials import issuer, sharing, signing
from webapp.domain.permissions import Permission, Scope
from webapp.domain.staff import password_links
from webapp.domain.webhooks import endpoints
from webapp.models import Origin, Role
from webapp.models.webhook import DEFAULT_EVENTS
from webapp.pages.http.authorization import PUBLIC, permission_of
from webapp.transaction import transaction

LOGO = Path(__file__).parents[2] / "static/img/apple-touch-icon.png"
WRITES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|TRUNCATE)\b", re.IGNORECASE
)


def test_every_view_declares_its_permission(app: Flask) -> None:  # R-1, S1
    asked = {endpoint: permission_of(app, endpoint) for endpoint in app.view_functions}
    silent = [
        endpoint
        for endpoint, answer in asked.items()
        if answer != PUBLIC and not isinstance(answer, Permission | Scope)
    ]
    assert silent == [], "a view without @permit, @public or the scope of an operation"


def test_views_that_change_something_require_more_than_viewing(app: Flask) -> None:
    """Except for views of one's own account, which always use the session: the URL has no ID of a person."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("account."):
            assert permission_of(app, rule.endpoint) == Permission.VIEW, rule
            assert "staff_id" not in rule.arguments, rule
        elif "GET" not in (rule.methods or set()):
            assert permission_of(app, rule.endpoint) != Permission.VIEW, rule


def addresses(app: Flask, ids: dict[str, int | str]) -> Iterator[tuple[str, str]]:
    """Every endpoint that accepts GET, with its URL for existing objects."""
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or set()) or rule.endpoint == "static":
            continue
        if isinstance(
            permission_of(app, rule.endpoint), Scope
        ):  # tests/api requests them with a key
            continue
        unknown = rule.arguments - set(ids)
        assert not unknown, f"give this test an example for {sorted(unknown)} of {rule}"
        with app.test_request_context():
            known = {name: ids[name] for name in rule.arguments}
            yield rule.endpoint, app.url_map.bind("localhost").build(rule.endpoint, known)


@pytest.fixture
def ids(app: Flask, make: Make) -> dict[str, int | str]:
    """One of each object that URLs name."""
    members = make.members(3)
    quest = make.quest()
    award = make.award(members[0], quest.id)
    batch = make.batch(members[1:], quest)
    actor = Actor(NOW, Origin.COMMAND_LINE)
    with app.app_context(), transaction():
        images.put(quest.badge_id, image_processing.reencode(LOGO.read_bytes()), actor)
        name = catalogue.get(quest.badge_id).art_hash
        community.set_logo(Picture(b"logo", b""), actor)
        digest = community.brand().logo
        issuer.turn_on(actor)
        key_id = api_keys.create("LMS", list(Scope), None, actor).key.id
        group_id = group_awards.award_group("user2, user3", quest.id, "", actor).group_id or 0
        hook_id = endpoints.create(
            "https://hooks.example.org/", DEFAULT_EVENTS, (), actor
        ).endpoint.id
    with app.app_context():
        member_token = sharing.PageUrls("").of(members[:1])[members[0]].removeprefix("/m/")
        new = signing.sign(signing.open_award(award.id), "http://localhost:8000")
        with transaction():
            sharing.share(member_token, new, "name", NOW)
        share_token = sharing.own_awards(sharing.member_of(member_token))[0].share
        assert share_token is not None
        tokens = {"member_token": member_token, "share_token": share_token.token}
        tokens["credential_token"] = json.loads(new.document)["id"].rpartition("/")[2]
    with app.app_context(), transaction():
        connection_id = make_connection(actor).id
    with app.app_context(), transaction():
        mapping_id = mappings.create(connection_id, quest.id, RemoteBadge("1", "There"), actor).id
    invited = make.staff(Role.DEV)
    with make.app.app_context(), transaction():
        key = password_links.create(invited.id, Actor(datetime.now(UTC), Origin.CONSOLE))
    return {
        "name": name,
        "kind": "png",
        "digest": digest,
        "number": 0,
        **tokens,
        "member_id": members[0],
        "award_id": award.id,
        "badge_id": quest.badge_id,
        "batch_id": batch.id,
        "quest_id": quest.id,
        "group_id": group_id,
        "guide": "award",
        "image": "batch.png",
        "entry_id": 1,
        "key_id": key_id,
        "connection_id": connection_id,
        "mapping_id": mapping_id,
        "endpoint_id": hook_id,
        "import_id": make.member_import(),
        "staff_id": invited.id,
        "key": key,
    }


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_reading_writes_nothing(
    app: Flask, client: ReviewingClient, make: Make, ids: dict[str, int | str], htmx: bool
) -> None:
    """No GET changes the database, except for noting when a session was last used."""
    client.sign_in(make.staff(Role.ADMIN))
    seen = 0
    for _, address in addresses(app, ids):
        with app.app_context(), statements() as sent:
            answer = client.get(address, htmx=htmx, review=False)
        assert answer.status_code in (200, 204, 301, 303, 404), (address, answer.status_code)
        writes = [one for one in sent if WRITES.match(one) and "staff_sessions" not in one]
        assert writes == [], address
        seen += answer.status_code == 200
    assert seen > 5


def test_pages_of_existing_objects_open(
    app: Flask, client: ReviewingClient, make: Make, ids: dict[str, int | str]
) -> None:
    """Every page and fragment that an admin can reach opens and passes `review`."""
    client.sign_in(make.staff(Role.ADMIN))
    for endpoint, address in addresses(app, ids):
        answer = client.get(address, review=False)
        if answer.mimetype == "text/html":
            fragment = "<!doctype" not in answer.text.lower()  # some URLs respond only to htmx
            assert problems(answer, fragment=fragment) == [], address
        expected = (404,) if endpoint == "metrics" else (200, 204, 301, 303)  # no token is set
        assert answer.status_code in expected, (address, answer.status_code)


def test_every_job_exists() -> None:
    """Each job name that the domain can enqueue resolves to a callable."""
    from pkgutil import resolve_name

    from webapp.infrastructure.job_queue import JOBS

    assert JOBS
    for name, path in JOBS.items():
        module, _, function = path.rpartition(".")
        assert module.startswith("jobs."), name
        assert callable(resolve_name(f"{module}:{function}")), name


def test_no_page_runs_past_its_transaction() -> None:
    """Pages and API write only by `with transaction():`; they neither commit nor add anything themselves."""
    shells = Path(__file__).parents[2] / "webapp"
    for file in [*(shells / "pages").rglob("*.py"), *(shells / "api").rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        found = re.findall(r"session\.(commit|flush|add|add_all|execute|scalars?)\(", text)
        assert found == [], file
