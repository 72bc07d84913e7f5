"""The search over everything in a browser: by keyboard, with and without JavaScript (E-3)."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.models import Role


def test_by_keyboard_from_any_page(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """`/` or Ctrl-K opens it, what was opened last comes first, arrow keys and Enter choose, Escape closes."""
    number = next(quiet.people)
    member = quiet.make.member(f"sought{number}", name="Ida Lund")
    badge = quiet.make.badge(f"Sought after {number}")
    visitor = visit(quiet).sign_in(Role.SUPPORT)
    page = visitor.page
    page.goto(f"/badges/{badge.id}")
    page.goto("/insights")
    page.keyboard.press("/")
    dialog = page.get_by_role("dialog", name="Search")
    expect(dialog.get_by_role("combobox")).to_be_focused()
    expect(
        dialog.get_by_role("group", name="Recently opened").get_by_role("option")
    ).to_contain_text(badge.name)
    judge(visitor)
    page.keyboard.type(f"sought{number}", delay=20)
    expect(dialog.get_by_role("group", name="Members").get_by_role("option")).to_have_count(1)
    judge(visitor)
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("combobox")).to_have_attribute(
        "aria-activedescendant", re.compile("result-")
    )
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{quiet.url}/members/{member.id}")

    page.keyboard.press("Control+k")
    expect(dialog.get_by_role("option").first).to_contain_text("Ida Lund")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("Control+k")
    page.keyboard.type(f"after {number}", delay=20)
    expect(dialog.get_by_role("group", name="Badges").get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{quiet.url}/search?q=after+{number}")
    expect(page.get_by_role("heading", name="Badges", exact=True)).to_be_visible()


def test_the_list_of_shortcuts(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """`?` opens it, but is a letter while typing."""
    visitor = visit(quiet).sign_in(Role.SUPPORT)
    page = visitor.page
    page.goto("/members")
    page.get_by_role("searchbox", name="Search").press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("heading", name="Members", exact=True).first.click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    judge(visitor)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_without_javascript_it_is_a_page(quiet: Site, visit: Callable[..., Visitor]) -> None:
    number = next(quiet.people)
    badge = quiet.make.badge(f"Plainly sought {number}")
    page = visit(quiet, java_script_enabled=False).sign_in(Role.SUPPORT).page
    page.goto("/insights")
    page.get_by_role("link", name="Search").first.click()
    page.get_by_label("Search everything").fill(f"sought {number}")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=badge.name).click()
    expect(page).to_have_url(f"{quiet.url}/badges/{badge.id}")
