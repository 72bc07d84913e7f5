"""Unsaved input is protected: leaving a page or closing a dialog with input asks first."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.models import Role


@pytest.fixture(autouse=True)
def badge(quiet: Site) -> None:
    """Without a badge, nothing offers to award one."""
    quiet.make.quest()


def award_window(visitor: Visitor) -> Page:
    page = visitor.page
    page.goto("/badges")
    page.get_by_role("link", name="Award Badge").click()
    expect(page.get_by_role("dialog", name="Award Badge")).to_be_visible()
    return page


@pytest.mark.parametrize("how", ["Close", "Cancel", "Escape"])
def test_closing_award_badge_with_names_in_it_asks(
    quiet: Site, visit: Callable[..., Visitor], how: str
) -> None:
    """With the cross, the button and the keyboard, twice; without names it closes at once."""
    visitor = visit(quiet).sign_in(Role.MANAGER)
    page = award_window(visitor)
    window = page.get_by_role("dialog", name="Award Badge")

    def close() -> None:
        if how == "Escape":
            page.keyboard.press("Escape")
        else:
            window.get_by_role("button", name=how, exact=True).click()

    page.locator("#to").focus()
    close()
    expect(window).to_be_hidden()
    assert visitor.questions == []

    page = award_window(visitor)
    page.locator("#to").fill("anna, boris")
    visitor.discards = False
    close()
    close()
    assert visitor.questions == ["confirm", "confirm"]
    expect(page.locator("#to")).to_have_value("anna, boris")
    visitor.discards = True
    close()
    expect(window).to_be_hidden()
    visitor.discards = None
    page.goto("/members")  # discarded input is not asked about again


def test_names_that_came_back_with_an_error_are_asked_about(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """M-9: they were sent, but not saved."""
    visitor = visit(quiet).sign_in(Role.MANAGER)
    visitor.expected.append("422")
    page = award_window(visitor)
    page.locator("#to").fill("nobody-at-all")
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.locator("#to-error")).to_be_visible()
    visitor.discards = False
    page.keyboard.press("Escape")
    assert visitor.questions == ["confirm"]
    expect(page.locator("#to")).to_have_value("nobody-at-all")


def test_a_group_award_leaves_the_page_without_a_question(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """E-6, M-7: sent input is not lost; `Undo` is offered."""
    number = next(quiet.people)
    quest = quiet.make.quest("One", quiet.make.badge(f"Group {number}"))
    member = quiet.make.member(f"grouped{number}")
    visitor = visit(quiet).sign_in(Role.MANAGER)
    page = visitor.page
    page.goto(f"/badges/award?quest={quest.id}")
    page.locator("#to").fill(member.username)
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text(f"Group {number} awarded to 1 member.")
    judge(visitor)
    page.get_by_role("link", name="Show recipient").click()
    expect(page.locator("tbody")).to_contain_text(member.username)
    judge(visitor)
    page.get_by_role("button", name="Undo the award to 1 member").click()
    expect(page.locator(".flashes")).to_contain_text("revoked from 1 member")


def test_an_unsaved_batch_name_is_asked_about_and_a_saved_one_is_not(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """When leaving the page, and before sending another of its forms; entering the same name is no change."""
    batch = quiet.make.batch(quiet.make.members(1, f"u{next(quiet.people)}-"), name="Before")
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto(f"/batches/{batch.id}")
    name = page.get_by_label("Name", exact=True)
    name.fill("After")
    name.fill("Before")
    page.get_by_role("link", name="Members", exact=True).first.click()
    page.wait_for_url("**/members")
    assert visitor.questions == []

    page.goto(f"/batches/{batch.id}")
    name.fill("After")
    visitor.discards = False
    page.get_by_role("link", name="Insights", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    assert visitor.questions == ["beforeunload", "confirm"]
    expect(name).to_have_value("After")
    visitor.discards = None
    page.get_by_role("button", name="Publish").click()  # saves the name, and opens the forecast
    forecast = page.get_by_role("dialog", name="Publish")
    expect(forecast).to_contain_text("After")
    forecast.get_by_role("link", name="Cancel").click()
    page.wait_for_url("**#open-publication")
    name.fill("Once more")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    page.get_by_role("link", name="Insights", exact=True).click()
    page.wait_for_url("**/insights")
    assert visitor.questions == ["beforeunload", "confirm"]


def test_other_forms_ask_too(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """A badge, a rule, even after its preview, and the reason of a revocation."""
    number = next(quiet.people)
    quest = quiet.make.quest("One", quiet.make.badge(f"Asked {number}", automatic=True))
    member = quiet.make.member(f"asked{number}")
    award = quiet.make.award(member.id, quest.id)
    visitor = visit(quiet).sign_in()
    page = visitor.page
    visitor.discards = True

    def leave() -> None:
        before = len(visitor.questions)
        page.goto("/insights")
        assert visitor.questions[before:] == ["beforeunload"]

    page.goto(f"/badges/{quest.badge_id}/settings")
    page.get_by_label("Description").fill("Typed")
    leave()
    page.goto(f"/badges/{quest.badge_id}/quests/{quest.id}/rule")
    page.get_by_label("Condition 1", exact=True).select_option("days")
    leave()
    page.goto(f"/badges/{quest.badge_id}/quests/{quest.id}/rule")
    page.get_by_label("Condition 1", exact=True).select_option("days")
    page.get_by_label("at least").fill("30000")
    page.get_by_role("button", name="Preview", exact=True).last.click()
    expect(page.locator("#reach")).to_be_visible()
    leave()
    page.goto(f"/members/{member.id}/awards/{award.id}/revocation")
    page.get_by_role("dialog").get_by_label("Reason").fill("Because")
    visitor.discards = False
    page.keyboard.press("Escape")
    assert visitor.questions[-1] == "beforeunload"
    expect(page.get_by_role("dialog").get_by_label("Reason")).to_have_value("Because")
    visitor.discards = True
    leave()
