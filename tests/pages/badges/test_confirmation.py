"""Before rules take effect, a page shows whom they would reach and asks for confirmation (T-3)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import update

from tests.domain.rules.world import World, activity_of
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain import rules
from webapp.domain.badges import catalogue
from webapp.models import Badge, Quest, Rule
from webapp.transaction import transaction


@pytest.fixture
def quest(app: Flask, make: Make) -> Quest:
    """A quest of a Manual badge with a rule of 3 posts; two members qualify, one of them had it revoked."""
    quest = make.quest("Three posts", make.badge("Writer"))
    with app.app_context():
        world = World(make)
        members = [make.member(f"user{place}") for place in range(1, 5)]
        for member in members[:3]:
            world.count(member, "posts", 3)
        make.award(members[2].id, quest.id, revoked_at=NOW, revoke_source="profile")
        world.rule(quest, activity_of(3, "posts"))
    return quest


def badge_of(app: Flask, quest: Quest) -> Badge:
    with app.app_context():
        return catalogue.get(quest.badge_id)


def rule_of(app: Flask, quest: Quest) -> Rule:
    with app.app_context():
        return rules.of_badge(quest.badge_id)[quest.id]


def archive(app: Flask, quest: Quest, *, badge: bool) -> None:
    with app.app_context(), transaction():
        db.session.execute(update(Badge).where(Badge.id == quest.badge_id).values(automatic=True))
        table, number = (Badge, quest.badge_id) if badge else (Quest, quest.id)
        db.session.execute(update(table).where(table.id == number).values(archived_at=NOW))


def fields(answer: Answer, then: str = "") -> dict[str, str]:
    form = answer.page.select_one("form#confirmation")
    assert form is not None, answer.words("main")
    sent = {str(one["name"]): str(one["value"]) for one in form.select("input[name]")}
    return sent | ({"then": then} if then else {})


def settings(quest: Quest) -> str:
    return f"/badges/{quest.badge_id}/settings"


def switch(**more: str) -> dict[str, str]:
    sent = {"name": "Typed name", "description": "Two\nlines", "received": "automatic"}
    return sent | {"version": "0", "shape": "circle", "colour": "green", "icon": "award"} | more


def test_switching_to_automatic_shows_whom_the_rules_reach_and_asks(
    app: Flask, as_manager: ReviewingClient, quest: Quest
) -> None:
    """T-3, M-3: nothing is saved before the confirmation; then members are evaluated in the background."""
    shown = as_manager.post(settings(quest), switch())
    assert shown.status_code == 200
    words = shown.words("#confirmation")
    assert "2 badges will be awarded now" in words
    assert "2 members would receive it now" in words
    assert "Earned by 3 posts" in words
    assert "user1" in words
    assert "1 member qualifies but won't receive it because staff or the API revoked it." in words
    assert (badge_of(app, quest).automatic, badge_of(app, quest).name) == (False, "Writer")
    assert not rule_of(app, quest).evaluating
    answer = as_manager.post(settings(quest), fields(shown))
    assert (answer.status_code, answer.location) == (303, f"/badges/{quest.badge_id}")
    saved = badge_of(app, quest)
    assert (saved.automatic, saved.name, saved.description) == (True, "Typed name", "Two\nlines")
    assert rule_of(app, quest).evaluating


def test_going_back_keeps_the_input(app: Flask, as_manager: ReviewingClient, quest: Quest) -> None:
    """T-3: the form returns as it was sent, and nothing is saved."""
    shown = as_manager.post(settings(quest), switch())
    back = as_manager.post(settings(quest), fields(shown, "back"))
    name = back.page.select_one("#name")
    assert name is not None
    assert name["value"] == "Typed name"
    assert back.page.select_one("input[name=received][value=automatic][checked]") is not None
    assert not badge_of(app, quest).automatic


def test_a_rule_changed_since_is_shown_again(
    app: Flask, as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """T-3: the confirmed rules are those that take effect."""
    shown = as_manager.post(settings(quest), switch())
    with app.app_context():
        World(make).rule(quest, activity_of(1, "posts"))
    again = as_manager.post(settings(quest), fields(shown))
    assert "Earned by 1 post" in again.words("#confirmation")
    assert not badge_of(app, quest).automatic
    as_manager.post(settings(quest), fields(again))
    assert badge_of(app, quest).automatic


def test_mistakes_in_the_form_come_before_the_question(
    app: Flask, as_manager: ReviewingClient, quest: Quest
) -> None:
    """T-3: a missing name is reported first."""
    answer = as_manager.post(settings(quest), switch(name=""))
    assert answer.status_code == 422
    assert answer.page.select_one("#confirmation") is None


def test_nothing_is_asked_if_no_rule_takes_effect(
    app: Flask, as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-3: without rules, for a badge that is already Automatic, and when switching to Manual."""
    plain = make.quest()
    assert as_manager.post(settings(plain), switch(name="Plain")).status_code == 303
    shown = as_manager.post(settings(quest), switch())
    as_manager.post(settings(quest), fields(shown))
    version = str(badge_of(app, quest).version)
    assert as_manager.post(settings(quest), switch(name="B", version=version)).status_code == 303
    version = str(badge_of(app, quest).version)
    sent = switch(received="manual", version=version)
    assert as_manager.post(settings(quest), sent).status_code == 303
    assert not badge_of(app, quest).automatic


@pytest.mark.parametrize(("badge", "htmx"), [(True, False), (False, False), (False, True)])
def test_unarchiving_asks_in_the_same_way(
    app: Flask, as_manager: ReviewingClient, quest: Quest, badge: bool, htmx: bool
) -> None:
    """T-3, M-15: an Automatic badge or its quest awards again immediately, so its reach is shown first."""
    archive(app, quest, badge=badge)
    base = f"/badges/{quest.badge_id}" + ("" if badge else f"/quests/{quest.id}")
    answer = as_manager.post(f"{base}/unarchiving", {}, htmx=htmx)
    address = answer.headers["HX-Redirect"] if htmx else answer.location
    assert address == f"{base}/unarchiving"
    shown = as_manager.get(address)
    assert "2 members would receive it now" in shown.words("#confirmation")
    assert not rule_of(app, quest).in_force
    answer = as_manager.post(f"{base}/unarchiving", fields(shown))
    assert answer.status_code == 303
    assert rule_of(app, quest).in_force
    assert rule_of(app, quest).evaluating
    assert as_manager.get(f"{base}/unarchiving").status_code == 303, "there is nothing to ask"
