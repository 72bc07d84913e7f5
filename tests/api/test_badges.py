"""Badges, quests and rules through the API (A-11): the same rules as on their pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from tests.api.conftest import Caller
from tests.factories import Make
from webapp.database import db
from webapp.models import AuditEvent

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def done(answer: Any, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json or {})


def pointers(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json["errors"]]


def audited() -> list[str]:
    db.session.rollback()
    written = select(AuditEvent.verb).where(AuditEvent.verb != "key.made")
    return list(db.session.scalars(written.order_by(AuditEvent.id)))


def test_a_badge_is_created_with_its_first_quest(lms: Caller, context: None) -> None:
    body = {"name": "Host", "quest": "Hosted an event", "color": "teal", "received": "Automatic"}
    badge = done(lms.post("/badges", body), 201)

    assert (badge["name"], badge["color"], badge["received"]) == ("Host", "teal", "Automatic")
    assert (badge["shape"], badge["icon"], badge["version"]) == ("circle", "award", 0)
    assert [quest["name"] for quest in badge["quests"]] == ["Hosted an event"]
    assert done(lms.get(f"/badges/{badge['id']}")) == badge
    assert pointers(lms.post("/badges", {"name": "HOST"})) == ["#/name"]
    assert pointers(lms.post("/badges", {"name": " "})) == ["#/name"]
    assert pointers(lms.post("/badges", {"name": "x", "color": "ultraviolet"})) == ["#/color"]
    named_alike = done(lms.post("/badges", {"name": "Guest"}), 201)
    assert [quest["name"] for quest in named_alike["quests"]] == ["Guest"]


def test_the_fields_that_are_sent_are_changed(lms: Caller, make: Make, context: None) -> None:
    """A-11: a repeated request changes nothing, and an outdated version is refused."""
    badge = make.badge("Helper", description="For help.", icon="heart")
    path = f"/badges/{badge.id}"
    changed = done(lms.ask("PATCH", path, {"name": "Mentor"}))
    again = done(lms.ask("PATCH", path, {"name": "Mentor"}))

    assert (changed["name"], changed["description"], changed["icon"]) == (
        "Mentor",
        "For help.",
        "heart",
    )
    assert changed == again
    assert audited() == ["badge.changed"]
    outdated = lms.ask("PATCH", path, {"description": "", "version": 0})
    assert outdated.status_code == 409
    assert "LMS" in outdated.json["detail"]  # type: ignore[index]
    assert done(lms.ask("PATCH", path, {"description": "", "version": 1}))["version"] == 2
    assert lms.ask("PATCH", path, {"name": None}).status_code == 422
    assert lms.ask("PATCH", "/badges/999", {"name": "x"}).status_code == 404


def test_badges_are_archived_and_restored(lms: Caller, make: Make, context: None) -> None:
    badge = make.badge("Helper")
    path = f"/badges/{badge.id}"
    assert done(lms.ask("PATCH", path, {"archived": True}))["archived_at"]
    assert done(lms.ask("PATCH", path, {"archived": True}))["archived_at"]
    make.badge("Helper")
    assert pointers(lms.ask("PATCH", path, {"archived": False})) == ["#/name"]
    restored = done(lms.ask("PATCH", path, {"archived": False, "name": "Helper 2"}))
    assert (restored["archived_at"], restored["name"]) == (None, "Helper 2")
    assert audited() == ["badge.archived", "badge.changed", "badge.unarchived"]


def test_quests_are_added_renamed_and_archived(lms: Caller, make: Make, context: None) -> None:
    """A-11: and each change is an event for other systems (A-8)."""
    badge = make.badge("Helper")
    make.quest("One", badge)
    path = f"/badges/{badge.id}/quests"
    quest = done(lms.post(path, {"name": "Two"}), 201)
    one = f"{path}/{quest['id']}"
    renamed = done(lms.ask("PATCH", one, {"name": "Second"}))
    archived = done(lms.ask("PATCH", one, {"archived": True}))

    assert (renamed["id"], renamed["name"]) == (quest["id"], "Second")
    assert archived["archived_at"]
    assert done(lms.ask("PATCH", one, {"archived": False}))["archived_at"] is None
    assert pointers(lms.post(path, {"name": "one"})) == ["#/name"]
    assert lms.post("/badges/999/quests", {"name": "x"}).status_code == 404
    other = make.quest("Other")
    assert lms.ask("PATCH", f"{path}/{other.id}", {"name": "x"}).status_code == 404
    assert audited() == ["quest.created", "quest.renamed", "quest.archived", "quest.unarchived"]


RULE = {
    "match": "all",
    "conditions": [
        {"type": "activity", "activity": "posts", "amount": 10},
        {"type": "days", "amount": 30},
    ],
}


@pytest.fixture
def path(make: Make) -> str:
    quest = make.quest("Ten posts", make.badge("Poster", automatic=True))
    return f"/badges/{quest.badge_id}/quests/{quest.id}/rule"


def test_a_rule_is_set_read_and_removed(lms: Caller, path: str, context: None) -> None:
    assert lms.get(path).status_code == 404
    rule = done(lms.put(path, RULE))
    assert done(lms.put(path, RULE | {"version": 0})) == rule
    assert done(lms.get(path)) == rule
    assert (rule["match"], rule["active"], rule["version"]) == ("all", True, 1)
    assert rule["conditions"] == [
        {"type": "activity", "amount": 10, "activity": "posts", "quest": None},
        {"type": "days", "amount": 30, "activity": None, "quest": None},
    ]
    assert lms.put(path, RULE | {"match": "any", "version": 0}).status_code == 409
    assert done(lms.put(path, RULE | {"match": "any"}))["version"] == 2
    assert [lms.delete(path).status_code for _ in range(2)] == [204, 204]
    assert lms.get(path).status_code == 404
    assert audited() == ["rule.saved", "rule.saved", "rule.removed"]


def test_errors_of_a_rule_name_their_place(lms: Caller, path: str) -> None:
    def put(*conditions: dict[str, Any]) -> list[str]:
        return pointers(lms.put(path, {"match": "all", "conditions": list(conditions)}))

    days = {"type": "days", "amount": 1}
    assert put() == ["#/conditions"]
    assert put(days, {"type": "activity", "amount": 1}) == ["#/conditions/1/activity"]
    assert put(days, {"type": "activity", "activity": "a"}) == ["#/conditions/1/amount"]
    assert put({"type": "days", "amount": 99_999}) == ["#/conditions/0/amount"]
    assert put(days, {"type": "quest", "quest": "x"}) == ["#/conditions/1"]
    assert put(days, days) == ["#/conditions/1"]


def test_a_rule_is_previewed(lms: Caller, path: str, make: Make, context: None) -> None:
    """A-11: nothing is saved."""
    make.members(3)
    make.member(status="suspended")
    body = {"match": "all", "conditions": [{"type": "days", "amount": 1}]}
    preview = done(lms.post(f"{path}/preview", body))

    assert (preview["would_receive"], preview["inactive"]) == (3, 1)
    assert lms.get(path).status_code == 404
    assert audited() == []


def test_changing_badges_has_a_scope_of_its_own(
    key_for: Callable[..., Caller], make: Make, path: str
) -> None:
    reader = key_for("Site", "badges:read")
    badge = make.badge("Helper")

    assert reader.post("/badges", {"name": "x"}).status_code == 403
    assert reader.ask("PATCH", f"/badges/{badge.id}", {"name": "x"}).status_code == 403
    assert reader.put(path, RULE).status_code == 403
    assert reader.get(path).status_code == 404
