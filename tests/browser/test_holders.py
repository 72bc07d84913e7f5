"""Who holds a badge, in a browser: found in one click, and revoked from several in three (E-4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.models import Quest, Role


@pytest.fixture
def quest(quiet: Site) -> Quest:
    """A quest with three holders, only for this test."""
    number = next(quiet.people)
    quest = quiet.make.quest("Came", quiet.make.badge(f"Guest {number}"))
    for place in range(3):
        quiet.make.award(quiet.make.member(f"holder{number}-{place}").id, quest.id)
    return quest


def test_one_click_shows_who_holds_a_badge(
    quiet: Site, visit: Callable[..., Visitor], quest: Quest
) -> None:
    """E-4: from the list of badges."""
    page = visit(quiet).sign_in(Role.SUPPORT).page
    page.goto("/badges")
    card = page.get_by_role("article").filter(
        has=page.locator(f'a[href="/badges/{quest.badge_id}"]')
    )
    card.get_by_role("link", name="3 holders").click()
    expect(page.locator("#holder-list tbody tr")).to_have_count(3)
    expect(page.locator("#holders-title")).to_be_in_viewport()


def test_three_clicks_revoke_a_badge_and_one_restores_it(
    quiet: Site, visit: Callable[..., Visitor], quest: Quest
) -> None:
    """E-4: select, revoke, confirm; focus goes to the reason, and the list has the rest."""
    visitor = visit(quiet).sign_in(Role.MANAGER)
    page = visitor.page
    page.goto(f"/badges/{quest.badge_id}")
    rows = page.locator("#holder-list tbody tr")
    selection = page.locator("#selection")
    expect(selection).to_be_hidden()
    page.get_by_label("Select all on this page").check()
    expect(selection).to_contain_text("3 selected")
    rows.first.get_by_role("checkbox").uncheck()
    expect(selection).to_contain_text("2 selected")
    judge(visitor)
    selection.get_by_role("button", name="Revoke Badge").click()
    window = page.get_by_role("dialog", name="Revoke Badge")
    expect(window).to_contain_text("2 members will lose this badge immediately.")
    expect(window.get_by_label("Reason")).to_be_focused()
    judge(visitor)
    window.get_by_role("button", name="Revoke Badge").click()
    expect(rows).to_have_count(1)
    expect(selection).to_be_hidden()
    page.get_by_role("button", name="Undo revoking from 2 members").click()
    expect(page.locator(".note")).to_contain_text("restored for 2 members.")
    expect(rows).to_have_count(3)


def test_a_search_starts_a_new_selection(
    quiet: Site, visit: Callable[..., Visitor], quest: Quest
) -> None:
    """E-4: no holder is selected who isn't seen."""
    page = visit(quiet).sign_in(Role.MANAGER).page
    page.goto(f"/badges/{quest.badge_id}")
    rows = page.locator("#holder-list tbody tr")
    rows.first.get_by_role("checkbox").check()
    name = rows.last.locator("a").inner_text()
    page.get_by_label("Member", exact=True).fill(name)
    expect(rows).to_have_count(1)
    expect(rows.get_by_role("checkbox")).not_to_be_checked()
    expect(page.locator("#selection")).to_be_hidden()


def test_holders_are_revoked_without_javascript(
    quiet: Site, visit: Callable[..., Visitor], quest: Quest
) -> None:
    """E-4: the same steps on pages of their own; Support must give a reason."""
    visitor = visit(quiet, java_script_enabled=False).sign_in(Role.SUPPORT)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/badges/{quest.badge_id}?source=profile")
    rows = page.locator("#holder-list tbody tr")
    for place in (0, 2):
        rows.nth(place).get_by_role("checkbox").check()
    page.locator("#selection").get_by_role("button", name="Revoke Badge").click()
    window = page.get_by_role("dialog", name="Revoke Badge")
    window.get_by_role("button", name="Revoke Badge").click()
    expect(window).to_contain_text("Enter a reason.")
    window.get_by_label("Reason").fill("They asked")
    window.get_by_role("button", name="Revoke Badge").click()
    expect(rows).to_have_count(1)
    assert "source=profile" in page.url
    page.get_by_role("button", name="Undo revoking from 2 members").click()
    expect(page.locator("main")).to_contain_text("restored for 2 members.")
