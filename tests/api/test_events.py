"""The feed of events through the API: what happened, in order, from where the caller was (A-8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.api.conftest import Caller
from tests.counting import statements
from tests.domain.batches.test_processing import run
from tests.factories import Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import manual
from webapp.domain.badges import images, quests, settings
from webapp.domain.badges.image_processing import Picture
from webapp.domain.badges.settings import BadgeSettings
from webapp.domain.erasure import erase as erase_member
from webapp.domain.members import queries as member_queries
from webapp.domain.members import status
from webapp.domain.rules import RuleDraft
from webapp.domain.rules import remove as remove_rule
from webapp.domain.rules import save as save_rule
from webapp.domain.rules.validation import ConditionDraft
from webapp.domain.webhooks import deliveries, endpoints, event_feed
from webapp.models import Delivery, Origin, WebhookEvent
from webapp.models.rule import ConditionKind
from webapp.transaction import transaction


def now() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


def new(lms: Caller, after: str | None = None) -> tuple[list[dict[str, Any]], str]:
    """All events after a cursor, and the next cursor."""
    items: list[dict[str, Any]] = []
    while True:
        page = lms.get("/events" + (f"?after={after}" if after else "")).json
        assert page is not None
        items, after = items + page["items"], page["next"]
        if not page["has_more"]:
            return items, page["next"]


def kinds(items: list[dict[str, Any]]) -> list[str]:
    return [item["type"] for item in items]


def test_awards_are_events(
    lms: Caller, make: Make, community: dict[str, Any], context: None
) -> None:
    """A-8: awarded, revoked and restored, each with the award as it is now."""
    cursor = lms.get("/events?after=latest").json["next"]
    by = Actor(datetime.now(UTC), Origin.CONSOLE, make.staff())
    anna, quest = community["anna"].id, community["quest"].id
    with transaction():
        award_id = manual.award(anna, quest, "", by).award.id
    first, cursor = new(lms, cursor)
    with transaction():
        manual.revoke(anna, award_id, "", by)
    with transaction():
        manual.restore(anna, award_id, by)
    items, cursor = new(lms, cursor)
    assert kinds([*first, *items]) == ["award.created", "award.revoked", "award.restored"]
    assert [item["data"]["state"] for item in (*first, *items)] == ["active", "revoked", "active"]
    assert first[0]["data"]["member"]["id"] == "4821"
    assert new(lms, cursor) == ([], cursor)


def test_a_batch_is_events(lms: Caller, make: Make, context: None) -> None:
    """A-8: its publication, its awards, its end, in this order."""
    batch = make.batch(make.members(5), published=True)
    run(batch.id)
    items, _ = new(lms)
    assert kinds(items) == ["batch.published", *["award.created"] * 5, "batch.finished"]
    assert {item["data"]["status"] for item in (items[0], items[-1])} == {"Published"}


def test_members_are_events(lms: Caller, context: None) -> None:
    """A-8: created, changed by a request or by staff, erased; with the ID to erase, and no data of them before."""
    members = [{"id": "1", "username": "one"}, {"id": "2", "username": "two"}]
    assert lms.post("/member-imports", {"members": members}).status_code == 200
    lms.put("/members/1", {"username": "uno"})
    lms.put("/members/1", {"username": "uno"})  # nothing changes
    items, cursor = new(lms)
    assert kinds(items) == ["member.created", "member.created", "member.changed"]
    assert [item["data"]["username"] for item in items] == ["uno", "two", "uno"]
    two = items[1]["data"]
    assert two["id"] == "2"
    member_id = member_queries.by_external_id("2").id
    with transaction():
        status.change(member_id, "suspended", now())
    with transaction():
        erase_member.erase(member_id, now())
    items, _ = new(lms, cursor)
    assert kinds(items) == ["member.changed", "member.erased"]
    assert [item["data"] for item in items] == [None, {"id": "2"}]
    with transaction():
        event_feed.purge(datetime.now(UTC) + timedelta(days=91))
    assert lms.get(f"/events?after={cursor}").status_code == 410


def test_badges_quests_and_rules_are_events(lms: Caller, context: None) -> None:
    """A-8: each change once; actions that change nothing aren't events."""

    def did(*changes: Any) -> list[str]:
        cursor = lms.get("/events?after=latest").json["next"]
        for change in changes:
            with transaction():
                change()
        return kinds(new(lms, cursor)[0])

    wanted = BadgeSettings("Helper", automatic=True)
    made = []
    assert did(lambda: made.append(settings.create(wanted, "First", now()).id)) == [
        "quest.changed",
        "badge.changed",
    ]
    badge = made[0]
    quest = lms.get(f"/badges/{badge}").json["quests"][0]["id"]
    number = int(quest)
    changed = BadgeSettings("Helper", "Helps", automatic=True)
    assert (
        did(
            lambda: settings.change(badge, changed, now()),
            lambda: settings.change(badge, changed, now()),
            lambda: images.put(badge, Picture(b"a", b"b"), now()),
            lambda: images.remove(badge, now()),
            lambda: settings.archive(badge, now()),
            lambda: settings.archive(badge, now()),
            lambda: settings.unarchive(badge, now()),
        )
        == ["badge.changed"] * 5
    )
    assert (
        did(
            lambda: quests.rename(badge, number, "Renamed", now()),
            lambda: quests.add(badge, "Second", now()),
            lambda: quests.move(badge, number, "down", now()),
            lambda: quests.archive(badge, number, now()),
            lambda: quests.unarchive(badge, number, now()),
        )
        == ["quest.changed"] * 5
    )
    rule = RuleDraft((ConditionDraft(ConditionKind.ACTIVITY, 3, "posts"),))
    assert (
        did(
            lambda: save_rule(badge, number, rule, now()),
            lambda: save_rule(badge, number, rule, now()),
            lambda: remove_rule(badge, number, now()),
        )
        == ["rule.changed"] * 2
    )
    items, _ = new(lms)
    assert items[-1]["data"]["id"] == quest
    assert items[-1]["data"]["badge"] == {"id": str(badge), "name": "Helper"}


def test_an_event_has_the_id_of_its_webhook(
    lms: Caller, community: dict[str, Any], context: None
) -> None:
    """A-8: so a receiver that uses both processes it once."""
    subscribed = [WebhookEvent.AWARD_CREATED, WebhookEvent.MEMBER_CHANGED]
    with transaction():
        endpoints.create("https://hooks.example.org/", subscribed, (), now())
    lms.put("/members/4821", {"username": "anka"})
    lms.post("/awards", {"quest": str(community["quest"].id), "member": {"id": "4821"}})
    items, _ = new(lms)
    db.session.rollback()
    sent = db.session.scalars(select(Delivery).order_by(Delivery.id))
    assert [item["id"] for item in items] == [deliveries.message_id(one) for one in sent]
    assert len({item["id"] for item in items}) == 2


@pytest.mark.parametrize("after", ["nonsense", "WyJhd2FyZHMiLDEsMiwzXQ", "LATEST", "0"])
def test_an_invalid_cursor_is_an_error(lms: Caller, after: str) -> None:
    answer = lms.get(f"/events?after={after}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == "after"


def test_a_cursor_from_before_90_days_says_to_start_again(
    lms: Caller, community: dict[str, Any], context: None
) -> None:
    """A-8: 410, with what to do next; the cursor from `latest` works."""
    _, cursor = new(lms)
    lms.put("/members/4821", {"username": "anka"})
    new(lms)
    with transaction():
        event_feed.purge(datetime.now(UTC) + timedelta(days=91))
    answer = lms.get(f"/events?after={cursor}")
    assert (answer.status_code, answer.json["type"]) == (410, "/api/docs#problem-events-expired")
    latest = lms.get("/events?after=latest").json["next"]
    assert new(lms, latest) == ([], latest)


def test_events_have_their_own_scope(app: Flask, key_for: Any) -> None:
    assert key_for("Other", "members:read", "awards:read").get("/events").status_code == 403
    assert key_for("Feed", "events:read").get("/events").status_code == 200


def test_reading_events_takes_a_fixed_number_of_queries(
    lms: Caller, make: Make, context: None
) -> None:
    """A-8: for any number of events, of all kinds; without new ones, nothing is written."""
    counted = []
    cursor = lms.get("/events?after=latest").json["next"]
    for number in (1, 60):
        people = [{"id": f"{number}-{n}", "username": f"u{number}-{n}"} for n in range(number)]
        lms.post("/member-imports", {"members": people})
        with transaction():
            settings.create(BadgeSettings(f"New {number}"), "", now())
        run(make.batch(make.members(number, f"b{number}-"), published=True).id)
        with statements() as sent:
            page = lms.get(f"/events?after={cursor}&limit=200").json
        counted.append(len(sent))
        cursor = page["next"]
        assert len(page["items"]) == 2 * number + 4
    assert counted[0] == counted[1] <= 16
    with statements() as sent:
        lms.get(f"/events?after={cursor}")
    assert not [statement for statement in sent if not statement.startswith("SELECT")]
