"""The pages of badges: the overview links to batches, a badge shows its quests and holders."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient


def test_the_overview_shows_each_badge(as_support: ReviewingClient, make: Make) -> None:
    """M-1, M-15: design, name, type, quests, holders, last award; archived ones are marked."""
    helper = make.badge("Helper", automatic=True, description="Answers.", icon="life-buoy")
    quest = make.quest("First", helper)
    make.quest("Second", helper)
    make.badge("Antique", archived_at=NOW)
    for member_id in make.members(2):
        make.award(member_id, quest.id)
    page = as_support.get("/badges").page
    first, second = page.select("article")
    words = " ".join(first.get_text(" ").split())
    assert words == (
        "Helper Answers. Last awarded: 20 Nov 2026, 12:00 UTC Automatic 2 quests 2 holders"
    )
    assert first.select_one("svg.art") is not None
    assert first.select_one(f'a[href="/badges/{helper.id}"]') is not None
    words = " ".join(second.get_text(" ").split())
    assert words == "Antique Never awarded Archived Manual 0 quests 0 holders"


@pytest.mark.parametrize("role", ["admin", "dev", "manager", "support"])
def test_the_menu_leads_to_batch_unlock(
    request: pytest.FixtureRequest, role: str, make: Make
) -> None:
    """B-1: three vertical dots named `More actions` open a menu without JavaScript; everyone can read batches (R-1)."""
    browser: ReviewingClient = request.getfixturevalue(f"as_{role}")
    page = browser.get("/badges").page
    button = page.select_one('.actions button[aria-label="More actions"]')
    assert button is not None
    menu = page.select_one(f"#{button['popovertarget']}[popover]")
    assert menu is not None
    link = menu.select_one("a")
    assert link is not None
    assert (link.get_text(strip=True), link["href"]) == ("Batch unlock", "/batches")
    assert browser.get("/batches").status_code == 200


def test_without_badges_the_page_says_so(as_admin: ReviewingClient) -> None:
    """M-15: an empty console explains the next step."""
    assert "No badges yet" in as_admin.get("/badges").words("main")


@pytest.mark.databases("sqlite", "postgresql")
def test_a_badge_shows_its_quests_and_holders(as_support: ReviewingClient, make: Make) -> None:
    """M-15, E-4: quests with holders; holders with quest, source, time and status."""
    badge = make.badge("Helper")
    first = make.quest("First", badge)
    make.quest("Second", badge, archived_at=NOW)
    anna = make.member("anna", name="Anna <b>Brandt</b>")
    make.award(anna.id, first.id, source="api")
    answer = as_support.get(f"/badges/{badge.id}")
    quests, holders = answer.page.select("tbody")
    rows = [" ".join(row.get_text(" ").split()) for row in quests.select("tr")]
    assert rows == ["First Active 1", "Second Archived 0"]
    words = " ".join(holders.get_text(" ").split())
    assert words == "AB anna Anna <b>Brandt</b> First Through the API 20 Nov 2026, 12:00 UTC Active"
    assert holders.select_one(f'a[href="/members/{anna.id}"]') is not None


def test_an_archived_badge_says_so(as_support: ReviewingClient, make: Make) -> None:
    """M-15: and stays visible."""
    badge = make.badge("Antique", archived_at=NOW)
    words = as_support.get(f"/badges/{badge.id}").words("main")
    assert "This badge is archived" in words
    assert "No one has this badge yet" in words


@pytest.mark.parametrize("number", ["999", "0", "9" * 18, "9" * 40, "-1", "x"])
def test_an_unknown_badge_is_404(as_support: ReviewingClient, number: str) -> None:
    """M-15: an id that is no badge's gives 404, however large."""
    assert as_support.get(f"/badges/{number}").status_code == 404


@pytest.mark.databases("sqlite", "postgresql")
def test_queries_do_not_grow(app: Flask, as_support: ReviewingClient, make: Make) -> None:
    """M-15: the overview and a badge need the same with one award and with many."""
    ids = make.members(12)
    badge = make.badge("Helper")
    quest = make.quest("First", badge)
    make.award(ids[0], quest.id)

    def count(path: str) -> int:
        with app.app_context(), statements() as seen:
            assert as_support.get(path).status_code == 200
        return len(seen)

    paths = "/badges", f"/badges/{badge.id}"
    few = [count(path) for path in paths]
    for member_id in ids[1:]:
        make.award(member_id, quest.id)
        make.award(member_id, make.quest(badge=badge).id)
        make.quest()
    assert [count(path) for path in paths] == few
