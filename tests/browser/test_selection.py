"""Members selected in the directory, in a browser (E-5)."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.models import Role


def test_selected_members_are_awarded(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """E-5: the bar appears with the first; the form has their names; leaving the list asks nothing."""
    number = next(quiet.people)
    quiet.make.members(3, f"chosen{number}x")
    quiet.make.quest()
    visitor = visit(quiet).sign_in(Role.ADMIN)
    page = visitor.page
    page.goto(f"/members?q=chosen{number}x")
    rows, selection = page.locator("#members tbody tr"), page.locator("#selection")
    expect(selection).to_be_hidden()
    names = [rows.nth(place).locator("a").inner_text() for place in (0, 2)]
    for place in (0, 2):
        rows.nth(place).get_by_role("checkbox").check()
    expect(selection).to_contain_text("2 selected")
    judge(visitor)
    selection.get_by_role("button", name="Award", exact=True).click()
    expect(page.get_by_label("To", exact=True)).to_have_value(", ".join(names))


def test_one_box_selects_the_page_and_another_everyone(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """E-5: 25 on the page, or all that match; unchecking one ends "all"."""
    number = next(quiet.people)
    quiet.make.members(30, f"many{number}x")
    page = visit(quiet).sign_in(Role.ADMIN).page
    page.goto(f"/members?q=many{number}x")
    selection = page.locator("#selection")
    page.get_by_label("Select all on this page").check()
    expect(selection).to_contain_text("25 selected")
    everyone = selection.get_by_role("checkbox")
    everyone.check()
    expect(selection).to_contain_text("30 selected")
    page.locator("#members tbody").get_by_role("checkbox").first.uncheck()
    expect(everyone).not_to_be_checked()
    expect(selection).to_contain_text("24 selected")


def test_a_batch_is_made_of_everyone_who_matches_without_javascript(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """E-5: check any member, then all that match, then press the button."""
    quiet.make.quest()
    number = next(quiet.people)
    quiet.make.members(60, f"group{number}x")
    page = visit(quiet, java_script_enabled=False).sign_in(Role.DEV).page
    page.goto(f"/members?q=group{number}x")
    page.locator("#members tbody").get_by_role("checkbox").first.check()
    page.get_by_label("Select all 60 that match").check()
    page.locator("#selection").get_by_role("button", name="Award", exact=True).click()
    expect(page.locator("main")).to_contain_text("More than 50 members selected")
    expect(page.locator("main")).to_contain_text("60 members")
