"""Quests of one badge look different, wherever they are shown (E-7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.models import Badge, Quest
from webapp.transaction import transaction


@pytest.fixture
def badge(make: Make) -> Badge:
    return make.badge("Helper")


@pytest.fixture
def tiers(make: Make, badge: Badge) -> list[Quest]:
    """Three quests of one badge, from the lowest to the highest."""
    return [
        make.quest(f"{number} answers", badge, position=place)
        for place, number in enumerate((10, 50, 200))
    ]


def shown(answer: Answer, where: str) -> list[str]:
    """The numbers on the pictures, checked against their rims."""
    found = answer.page.select(f"{where} .tiered")
    assert all(f"tier-{one['data-tier']}" in one["class"] for one in found)
    return [str(one["data-tier"]) for one in found]


def test_a_badge_shows_its_tiers_in_order(
    make: Make, badge: Badge, tiers: list[Quest], as_admin: ReviewingClient
) -> None:
    """Also on its holders, and after a quest was moved; the badge itself is large and has no number."""
    make.award(make.member().id, tiers[1].id)
    address = f"/badges/{badge.id}"
    page = as_admin.get(address)
    assert shown(page, "#badge-quests") == ["1", "2", "3"]
    assert shown(page, "#holders") == ["2"]
    assert shown(page, ".head") == []
    assert page.page.select_one(".head .art.huge")
    as_admin.post(f"{address}/quests/{tiers[2].id}/place", {"way": "up"})
    moved = as_admin.get(address)
    assert shown(moved, "#badge-quests") == ["1", "2", "3"]
    assert shown(moved, "#holders") == ["3"]


def test_an_only_quest_has_no_tier(make: Make, as_admin: ReviewingClient) -> None:
    quest = make.quest("Joined", make.badge("Member"))
    assert shown(as_admin.get(f"/badges/{quest.badge_id}"), "main") == []


def test_batches_and_pickers_show_the_tier(
    make: Make, tiers: list[Quest], as_admin: ReviewingClient
) -> None:
    batch = make.batch(make.members(1), tiers[1], "Spring", published=True)
    assert shown(as_admin.get("/batches/new"), "#quests") == ["1", "2", "3"]
    assert shown(as_admin.get("/badges/award"), ".picker") == ["1", "2", "3"]
    assert shown(as_admin.get("/batches"), f"#batch-{batch.id}") == ["2"]
    assert shown(as_admin.get(f"/batches/{batch.id}"), "#heading") == ["2"]


def test_an_uploaded_image_has_its_tier_too(
    app: Flask, badge: Badge, tiers: list[Quest], as_admin: ReviewingClient
) -> None:
    with app.app_context(), transaction():
        db.session.execute(update(Badge).values(art_hash="a" * 32))
    page = as_admin.get(f"/badges/{badge.id}")
    assert shown(page, "#badge-quests") == ["1", "2", "3"]
    assert len(page.page.select("#badge-quests .tiered > img")) == len(tiers)


def test_a_profile_stacks_the_quests_of_a_badge(
    make: Make, tiers: list[Quest], as_admin: ReviewingClient, as_support: ReviewingClient
) -> None:
    """M-5: the highest is in front, whenever it was awarded; the others are named below, each with its own card."""
    anna, other = make.member("annax"), make.quest("Joined", make.badge("Member"))
    for days, quest in enumerate((tiers[2], other, tiers[0], tiers[1])):
        make.award(anna.id, quest.id, awarded_at=NOW + timedelta(days=days))
    page = as_support.get(f"/members/{anna.id}")
    (stack,) = page.page.select(".badge-stack")
    assert page.words(".badge-stack summary") == "Also: 50 answers , 10 answers"
    front, *behind = [card.select_one("p").get_text() for card in stack.select("article")]
    assert (front, behind) == ("200 answers", ["50 answers", "10 answers"])
    assert shown(page, ".badge-stack > article") == ["1", "2", "3"]  # drawn from back to front
    assert len(stack.find_all("a", string="Revoke Badge")) == 3
    assert len(page.page.select(".grid > article")) == 1
    revocation = stack.select("article a[hx-get]")[1]["href"]
    assert shown(as_admin.get(revocation), "#revocation") == ["2"]
