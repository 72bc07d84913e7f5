"""`Search`: members, badges, quests, batches and pages at once, exact first, in a fixed number of queries (E-3)."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.domain import search
from webapp.domain.actor import Actor
from webapp.domain.erasure import erase
from webapp.models import Origin, Role
from webapp.transaction import transaction


def groups(answer: Answer) -> dict[str, list[str]]:
    """The results by heading."""
    return {
        part.select_one("h2").get_text(strip=True): [  # type: ignore[union-attr]
            " ".join(one.get_text(" ", strip=True).split()) for one in part.select("li")
        ]
        for part in answer.page.select("section:has(h2)")
    }


@pytest.fixture
def community(make: Make) -> dict[str, int]:
    """Things whose names begin with `ada`, one of each kind, and some that don't."""
    badge = make.badge("Adaptive")
    quest = make.quest("Adaptation", badge)
    make.quest("Other", make.badge("Canada"))
    member = make.member("ada", name="Ada King", email="ada@example.org", external_id="77")
    make.member("adam", name="Adam Smith", email="smith@example.org")
    make.member("zoe", name="Zoe")
    batch = make.batch([], quest, "Adagio")
    return {"badge": badge.id, "quest": quest.id, "member": member.id, "batch": batch.id}


def test_everything_is_found_by_its_name(
    as_support: ReviewingClient, community: dict[str, int]
) -> None:
    """Members by the beginning of a key or word; other names by any part, those that begin with it first."""
    found = groups(as_support.get("/search?q=ad"))
    assert found["Members"] == [
        "AK ada Ada King ada@example.org",
        "AS adam Adam Smith smith@example.org",
    ]
    assert found["Badges"] == ["Adaptive 0 holders", "Canada 0 holders"]
    assert found["Quests"] == ["Adaptation Adaptive"]
    assert found["Batches"] == ["Adagio Draft"]
    assert "Pages" not in found
    assert groups(as_support.get("/search?q=insi")) == {"Pages": ["Insights"]}


@pytest.mark.parametrize("text", ["ada", "ADA", "ada@example.org", "77"])
def test_an_exact_match_opens_the_member(
    as_support: ReviewingClient, community: dict[str, int], text: str
) -> None:
    answer = as_support.get(f"/search?q={text}")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/members/{community['member']}"
    listed = as_support.get(f"/search/results?q={text}", htmx=True)
    assert listed.page.select("[role=option]")[0]["href"] == f"/members/{community['member']}"


def test_pages_are_only_those_a_role_may_open(
    as_support: ReviewingClient, as_admin: ReviewingClient
) -> None:
    assert "Pages" not in groups(as_support.get("/search?q=create+batch"))
    assert groups(as_admin.get("/search?q=create+batch"))["Pages"] == ["Create Batch"]
    assert groups(as_admin.get("/search?q=batch+create"))["Pages"] == ["Create Batch"]


def test_nothing_found_says_so(as_support: ReviewingClient) -> None:
    """The text is shown as text; patterns of the database and of regular expressions mean nothing."""
    assert "Nothing found" in as_support.get("/search?q=qqq").words("main")
    for text in ("%25", "_", "\\", "(", "<b>x</b>", "%00", "x" * 500):
        for path in ("/search", "/search/results"):
            answer = as_support.get(f"{path}?q={text}", htmx=path.endswith("results"))
            assert answer.status_code == 200
            assert not answer.page.select("main b, #search-results b")
    assert as_support.get("/search").status_code == 200


def test_items_opened_last_come_first(
    app: Flask, as_support: ReviewingClient, community: dict[str, int]
) -> None:
    """In the order of the browser's cookie; what is erased, unknown or garbage is left out."""
    as_support.set_cookie(
        "recent",
        f"batch-{community['batch']}.member-{community['member']}.badge-{community['badge']}.badge-999."
        "staff-1.member-99999999999999999999999",
    )
    dialog = as_support.get("/search/results", htmx=True)
    assert [one["href"] for one in dialog.page.select("[role=option]")] == [
        f"/batches/{community['batch']}",
        f"/members/{community['member']}",
        f"/badges/{community['badge']}",
    ]
    assert groups(as_support.get("/search"))["Recently opened"][1].startswith("AK ada Ada King")
    with app.app_context(), transaction():
        erase.erase(community["member"], Actor(at=NOW, origin=Origin.CONSOLE))
    assert "Ada King" not in as_support.get("/search").words("main")


def test_results_without_htmx_are_a_page(as_support: ReviewingClient) -> None:
    answer = as_support.get("/search/results?q=ada")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/search?q=ada")


@pytest.mark.databases("sqlite", "postgresql")
def test_a_fixed_number_of_queries(app: Flask, make: Make) -> None:
    """Whatever is found, and however much there is."""
    with app.app_context(), statements() as few:
        search.find("member")
    for number in range(20):
        quest = make.quest(f"Member {number}", make.badge(f"Member {number}"))
        make.batch([], quest, f"Member {number}")
    make.members(60, prefix="member")
    with app.app_context(), statements() as many:
        found = search.find("member")
    assert [len(one) for one in (found.members, found.badges, found.batches)] == [5, 5, 5]
    assert len(many) <= len(few) <= 10
    with app.app_context(), statements() as sent:
        search.by_id([1, 2, 3], [1, 2], [3])
    assert len(sent) == 3


def test_shortcuts_are_listed_for_everyone(
    client: ReviewingClient, as_support: ReviewingClient
) -> None:
    """As a page, also for those who are signed out, and as a dialog."""
    assert "Search the console" in client.get("/help/shortcuts").words("main")
    dialog = as_support.get("/help/shortcuts", htmx=True)
    assert dialog.page.select_one("dialog[open] kbd") is not None


def test_the_menu_offers_the_search_to_every_role(make: Make, client: ReviewingClient) -> None:
    for role in Role:
        page = client.sign_in(make.staff(role)).get("/insights").page
        link = page.select_one("#find")
        assert link is not None
        assert link["href"] == "/search"
