"""`Insights`: the figures match the awards, in the viewer's days, each chart with its table (D-6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.domain.actor import Actor
from webapp.domain.badges import insights
from webapp.domain.erasure import erase
from webapp.models import Origin
from webapp.pages.insights import draw, round_up
from webapp.transaction import transaction

TODAY = NOW.date()


def rows(answer: Answer, table: int) -> list[list[str]]:
    found = answer.page.select("table")[table]
    return [
        [cell.get_text(strip=True) for cell in row.select("th, td")]
        for row in found.select("tbody tr")
    ]


@pytest.fixture
def community(app: Flask, make: Make) -> None:
    """Four members; awards from every source on several days, one revoked, one restored, one of an erased member."""
    members = [make.member(name) for name in ("anna", "bea", "carl", "dora")]
    helper = make.badge("Helper")
    first, second = make.quest("First", helper), make.quest("Second", helper)
    make.quest("Alone", make.badge("Veteran"))
    anna, bea, carl, dora = (member.id for member in members)
    make.award(anna, first.id, source="rule")
    make.award(bea, first.id, source="batch", awarded_at=NOW - timedelta(days=2))
    gone = make.award(
        carl, first.id, source="profile", awarded_at=NOW - timedelta(days=2), revoked_at=NOW
    )
    make.award(
        carl,
        first.id,
        source="profile",
        awarded_at=NOW - timedelta(days=2),
        restores_id=gone.id,
        restored_at=NOW,
    )
    make.award(carl, second.id, source="api", awarded_at=datetime(2026, 11, 18, 23, 30, tzinfo=UTC))
    make.award(dora, second.id, source="group", awarded_at=NOW - timedelta(days=40))
    with app.app_context(), transaction():
        erase.erase(dora, Actor(at=NOW, origin=Origin.CONSOLE))


def test_awards_a_day_by_way(as_support: ReviewingClient, community: None) -> None:
    """D-6: a revoked award still counts as made; restoring one doesn't count again."""
    answer = as_support.get("/insights?days=7&to=2026-11-20")
    assert rows(answer, 0)[:3] == [
        ["20 Nov 2026", "0", "0", "0", "0", "1", "1"],
        ["19 Nov 2026", "0", "0", "0", "0", "0", "0"],
        ["18 Nov 2026", "1", "0", "1", "1", "0", "3"],
    ]
    assert len(rows(answer, 0)) == 7
    berlin = as_support.get("/insights?days=7&to=2026-11-20&zone=Europe/Berlin")
    assert rows(berlin, 0)[1][4] == "1"
    assert "times in Europe/Berlin" in berlin.words("main")
    assert answer.page.select_one("svg[role=img] title") is not None
    assert len(answer.page.select("svg.chart rect")) == 4
    before = as_support.get(str(answer.page.select_one("a[rel=prev]")["href"]))  # type: ignore[index]
    assert rows(before, 0)[0][0] == "13 Nov 2026"
    onward = before.page.select_one("a[rel=next]")
    assert onward is not None
    assert onward["href"] == "/insights?days=7&to=2026-11-20"
    assert rows(as_support.get("/insights?days=90&to=2026-11-20"), 0)[40][2] == "1"


def test_holders_and_rarity(as_support: ReviewingClient, community: None) -> None:
    """D-6: relative to current members; an erased member's awards still count among the holders."""
    answer = as_support.get("/insights?to=2026-11-20")
    assert rows(answer, 1) == [
        ["Helper", "First", "3", "100%"],
        ["Helper", "Second", "2", "67%"],
        ["Veteran", "Alone", "0", "0%"],
    ]
    assert rows(answer, 2) == [
        ["Helper", "4", "100%", "Common"],
        ["Veteran", "0", "0%", "Nobody holds it"],
    ]
    assert "of 3 members" in answer.words("main")


def test_an_empty_console(as_support: ReviewingClient) -> None:
    """D-6: the page says what will appear there."""
    words = as_support.get("/insights").words("main")
    assert "No quests yet" in words
    assert "0 awards in 30 days" in words


@pytest.mark.parametrize(
    "query",
    [
        "days=8",
        "days=x",
        "to=yesterday",
        "zone=Nowhere",
        "to=%00",
        "to=1900-01-01",
        "to=2999-12-31",
    ],
)
def test_odd_addresses(as_support: ReviewingClient, query: str) -> None:
    """W110: invalid values are reported and ignored; a future date becomes today."""
    answer = as_support.get(f"/insights?{query}")
    assert answer.status_code == 200
    assert ("1900" in query or "2999" in query) or answer.page.select(".note.warning")


def test_three_queries(app: Flask, make: Make) -> None:
    """D-6: whatever the data, and however long the period."""
    with app.app_context():
        for number in insights.PERIODS:
            with statements() as sent:
                insights.load(TODAY, number, ZoneInfo("Australia/Lord_Howe"))
            assert len(sent) == 3
        quest = make.quest()
        for member_id in make.members(30):
            make.award(member_id, quest.id)
        with statements() as sent:
            insights.load(TODAY, 365)
        assert len(sent) == 3


def test_a_scale_ends_at_a_round_number() -> None:
    """D-6: half of it is a whole number; bars stay inside the drawing."""
    assert [round_up(n) for n in (0, 1, 2, 3, 5, 11, 21, 399, 401, 5000)] == [
        2,
        2,
        2,
        4,
        10,
        20,
        40,
        400,
        1000,
        10000,
    ]
    some = [
        insights.Day(date(2026, 1, 1) + timedelta(days=n), {"batch": n * 7, "rule": 3})
        for n in range(365)
    ]
    drawing = draw(some)
    assert all(bar.y >= 0 and bar.y + bar.height <= drawing.height for bar in drawing.bars)
    assert all(bar.x + bar.width <= drawing.width + 0.01 for bar in drawing.bars)
