"""A form that waits to be sent again is shown with labels and names, not IDs (R-2)."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.webhooks import endpoints
from webapp.models import Origin, Role
from webapp.models.webhook import DEFAULT_EVENTS
from webapp.pages.auth import form_summary
from webapp.transaction import transaction

Fields = list[tuple[str, str]]


@pytest.fixture
def ids(app: Flask, make: Make) -> dict[str, int]:
    """One of each object that forms refer to."""
    badge = make.badge("Helper")
    quest, other = make.quest("Ten answers", badge), make.quest("Fifty answers", badge)
    member = make.member("zoe")
    batch = make.batch([member.id], quest, name="Spring meetup")
    actor = Actor(NOW, Origin.COMMAND_LINE)
    with app.app_context(), transaction():
        key = api_keys.create("LMS", ["badges:read"], None, actor).key.id
        hook = endpoints.create(
            "https://hooks.example.org/secret", DEFAULT_EVENTS, (), actor
        ).endpoint.id
    return {
        "badge": badge.id,
        "quest": quest.id,
        "other": other.id,
        "member": member.id,
        "batch": batch.id,
        "staff": make.staff(Role.DEV, name="Sam").id,
        "key": key,
        "hook": hook,
    }


FORMS: list[tuple[str, Fields, list[tuple[str, str]]]] = [
    (
        "/badges/award",
        [
            ("quest", "{quest}"),
            ("to", "zoe, anna"),
            ("unknown", "anna"),
            ("near-0", "ana"),
            ("reason", ""),
        ],
        [("Badge", "Helper (Ten answers)"), ("To", "zoe, anna"), ("Member", "ana")],
    ),
    (
        "/members/{member}/awards",
        [("quest", "{other}"), ("reason", "<b>\0")],
        [
            ("Member", "zoe"),
            ("Badge", "Helper (Fifty answers)"),
            ("Reason", "<b>\N{REPLACEMENT CHARACTER}"),
        ],
    ),
    (
        "/members/{member}/standing",
        [("status", "suspended")],
        [("Member", "zoe"), ("Status", "Suspended")],
    ),
    (
        "/batches/{batch}",
        [("name", "Autumn"), ("quest", "{quest}"), ("version", "3"), ("then", "publish")],
        [("Batch", "Spring meetup"), ("Name", "Autumn"), ("Badge", "Helper (Ten answers)")],
    ),
    (
        "/badges/{badge}/quests/{quest}/rule",
        [
            ("match", "any"),
            ("what-0", "activity:accepted_answers"),
            ("amount-0", "10"),
            ("what-1", "quest:{other}"),
            ("seen", "abc"),
        ],
        [
            ("Badge", "Helper"),
            ("Quest", "Helper (Ten answers)"),
            ("Conditions to meet", "Any"),
            ("Condition", "Accepted answers"),
            ("At least", "10"),
            ("Condition", "Helper (Fifty answers)"),
        ],
    ),
    (
        "/badges/{badge}/settings",
        [("received", "automatic"), ("colour", "red"), ("icon", "book-open"), ("description", "x")],
        [
            ("Badge", "Helper"),
            ("How members get it", "Automatic"),
            ("Colour", "Red"),
            ("Icon", "Book open"),
            ("Description", "x"),
        ],
    ),
    (
        "/settings/staff/invitations",
        [("email", "eve@example.org"), ("role", "support")],
        [("Email", "eve@example.org"), ("Role", "Support")],
    ),
    (
        "/settings/staff/{staff}/role",
        [("role", "manager"), ("asked", "yes"), ("key", "{key}")],
        [("Account", "Sam"), ("Role", "Community manager"), ("API key to revoke", "LMS")],
    ),
    (
        "/settings/webhooks/{hook}",
        [("url", "https://x.example/"), ("kinds", "award.created")],
        [
            ("Webhook", "hooks.example.org"),
            ("URL", "https://x.example/"),
            ("Events", "award.created"),
        ],
    ),
    (
        "/badges/award",
        [("quest", "999999"), ("badge", "x"), ("something_new", "1")],
        [("Badge", "no longer exists"), ("Badge", "x"), ("Something new", "1")],
    ),
    (
        "/members/imports/1/trial",
        [("external_id", "0"), ("email", "1"), ("name", "3"), ("joined", "")],
        [("ID", "Column 1"), ("Registered email", "Column 2"), ("Name", "Column 4")],
    ),
    (
        "/batches/{batch}/upload/columns",
        [("column-0", "username"), ("column-1", ""), ("column-11", "external_id")],
        [("Batch", "Spring meetup"), ("Column 1", "Username"), ("Column 12", "ID")],
    ),
    (
        "/batches/{batch}/upload/choices",
        [("upload", "7"), ("line", "3"), ("member", "{member}"), ("header", "2")],
        [("Batch", "Spring meetup"), ("Member", "zoe"), ("Header", "Line 2")],
    ),
    ("/batches/members", [("by", "id"), ("member", "42")], [("User ID or username", "42")]),
    ("/batches", [("name", "2026"), ("quest", "")], [("Name", "2026")]),
    ("/nowhere", [("note", "kept")], [("Note", "kept")]),
]


@pytest.mark.parametrize(("path", "fields", "shown"), FORMS, ids=[form[0] for form in FORMS])
def test_a_form_is_shown_in_its_own_words(
    app: Flask, ids: dict[str, int], path: str, fields: Fields, shown: list[tuple[str, str]]
) -> None:
    """R-2: in at most one query, whatever it refers to."""
    sent = [(name, value.format(**ids)) for name, value in fields]
    with app.test_request_context("/"), statements() as queries:
        found = form_summary.rows(path.format(**ids), sent)
    if path.startswith("/settings/webhooks"):
        assert found[0][1].startswith("https://hooks.example.org")
        found, shown = found[1:], shown[1:]
    assert found == shown
    assert len(queries) <= 1
