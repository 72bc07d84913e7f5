"""The picker of badges and quests, for one and for several (B-5, B-31)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from tests.factories import NOW
from webapp.database import db
from webapp.domain.normalization import fold
from webapp.models import Badge, Quest
from webapp.transaction import transaction


@dataclass
class Tree:
    """Two badges of this test: `Ämter N` with two quests, `Lone N` with one."""

    number: int
    many: list[Quest]
    lone: Quest


@pytest.fixture
def tree(quiet: Site) -> Tree:
    number = next(quiet.people)
    badge = quiet.make.badge(f"Ämter {number}")
    many = [quiet.make.quest(f"Held {word} {number}", badge) for word in ("one", "two")]
    lone = quiet.make.quest("Not said", quiet.make.badge(f"Lone {number}"))
    return Tree(number, many, lone)


def closed(page: Page) -> Locator:
    return page.locator("#quest-picker > summary")


def radio(page: Page, quest: Quest) -> Locator:
    return page.locator(f"input[name=quest][value='{quest.id}']")


def test_one_is_chosen_by_keyboard(quiet: Site, visit: Callable[..., Visitor], tree: Tree) -> None:
    """B-5: opened, searched, moved by arrows, expanded by →, chosen; Escape changes nothing."""
    visitor = visit(quiet).sign_in()
    page, keys = visitor.page, visitor.page.keyboard
    page.goto("/batches/new")
    visitor.tab_to("Name")
    visitor.tab_to("Badge: Choose a badge", most=1)
    keys.press("Enter")
    expect(page.get_by_label("Search badges and quests")).to_be_focused()
    keys.type("held two")
    expect(radio(page, tree.many[1])).to_be_visible()  # a quest is found within its badge
    expect(radio(page, tree.many[0])).to_be_hidden()
    keys.press("Control+a")
    keys.type(f"amter {tree.number}")
    expect(page.locator("#quest-picker .branch:visible")).to_have_count(1)
    keys.press("ArrowDown")
    assert visitor.focused() == f"Ämter {tree.number}"
    keys.press("ArrowLeft")
    expect(radio(page, tree.many[1])).to_be_hidden()
    keys.press("ArrowRight")
    expect(radio(page, tree.many[1])).to_be_visible()
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    assert visitor.focus_shows()
    expect(radio(page, tree.many[1])).to_be_focused()
    expect(radio(page, tree.many[1])).not_to_be_checked()
    keys.press("Space")
    expect(closed(page)).to_be_focused()
    expect(closed(page)).to_have_text(f"Ämter {tree.number} · Held two {tree.number}")
    expect(page.locator("#quest-picker > .options")).to_be_hidden()

    keys.press("ArrowDown")
    expect(page.locator("#quest-picker > .options")).to_be_visible()
    keys.type("no such badge")
    expect(page.get_by_text("No badges or quests match.")).to_be_visible()
    keys.press("Escape")
    expect(closed(page)).to_be_focused()
    expect(radio(page, tree.many[1])).to_be_checked()

    keys.press("Space")
    keys.type(f"held one {tree.number}")
    keys.press("Enter")
    expect(radio(page, tree.many[0])).to_be_checked()
    keys.press("Space")
    keys.type(f"lone {tree.number}")
    keys.press("Enter")
    expect(closed(page)).to_have_text(
        f"Lone {tree.number}"
    )  # a badge with one quest is a single row
    expect(radio(page, tree.lone)).to_be_checked()
    expect(page).to_have_url(f"{quiet.url}/batches/new")


def test_enter_chooses_only_a_single_match(
    quiet: Site, visit: Callable[..., Visitor], tree: Tree
) -> None:
    """B-5, B-31: a badge's name expands its quests; with several hits, Enter focuses the first and chooses none."""
    visitor = visit(quiet).sign_in()
    visitor.discards = True
    page = visitor.page
    keys = page.keyboard
    page.goto("/batches/new")
    closed(page).click()
    keys.type(f"amter {tree.number}")
    for quest in tree.many:
        expect(radio(page, quest)).to_be_visible()
    keys.press("Enter")
    expect(page.locator("#quest-picker .branch:visible summary")).to_be_focused()
    expect(page.locator("#quest-picker :checked")).to_have_count(0)
    page.get_by_label("Search badges and quests").fill(f"held two {tree.number}")
    keys.press("Enter")
    expect(radio(page, tree.many[1])).to_be_checked()
    expect(closed(page)).to_be_focused()

    page.goto("/batches")
    page.locator("#badge-picker > summary").click()
    keys.type(f"amter {tree.number}")
    keys.press("Enter")
    for quest in tree.many:
        expect(radio(page, quest)).to_be_checked()
    page.get_by_label("Search badges and quests").fill(f"held one {tree.number}")
    keys.press("Enter")
    expect(radio(page, tree.many[0])).not_to_be_checked()
    expect(radio(page, tree.many[1])).to_be_checked()


def test_one_is_chosen_by_mouse(quiet: Site, visit: Callable[..., Visitor], tree: Tree) -> None:
    """B-5: clicking a badge's name shows its quests; clicking elsewhere closes; the saved choice is shown again."""
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto("/batches/new")
    closed(page).click()
    page.locator(".branch summary").filter(has_text=f"Ämter {tree.number}").click()
    judge(visitor)
    page.get_by_label(f"Held one {tree.number}").check()
    words = f"Ämter {tree.number} · Held one {tree.number}"
    expect(closed(page)).to_have_text(words)
    closed(page).click()
    page.get_by_role("heading", name="New Batch").click()
    expect(page.locator("#quest-picker > .options")).to_be_hidden()
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    expect(closed(page)).to_have_text(words)


def test_one_is_chosen_by_a_click_on_its_name(
    quiet: Site, visit: Callable[..., Visitor], tree: Tree
) -> None:
    """B-5: next to the radio button: pressing moves focus out of the picker, and the click still counts."""
    page = visit(quiet).sign_in().page
    page.goto("/batches/new")
    closed(page).click()
    page.locator(".branch summary").filter(has_text=f"Ämter {tree.number}").click()
    page.locator("label.option bdi").filter(has_text=f"Held one {tree.number}").click()
    expect(closed(page)).to_contain_text(f"Held one {tree.number}")
    expect(page.locator("details.picker").first).not_to_have_attribute("open", "")


def test_many_are_chosen_by_keyboard(
    quiet: Site, visit: Callable[..., Visitor], tree: Tree
) -> None:
    """B-31: Enter and Space check, a badge's checkbox checks its quests; the picker stays open until it loses focus."""
    visitor = visit(quiet).sign_in()
    page, keys = visitor.page, visitor.page.keyboard
    page.goto("/batches")
    page.locator("#badge-picker > summary").focus()
    keys.press("Enter")
    expect(page.locator("#badge-picker .find input")).to_be_focused()
    keys.type(f"amter {tree.number}")
    keys.press("ArrowDown")
    keys.press("Space")
    for quest in tree.many:
        expect(radio(page, quest)).to_be_checked()
    expect(radio(page, tree.many[0])).to_be_visible()  # matches are expanded
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(radio(page, tree.many[0])).not_to_be_checked()
    summary = page.locator("#badge-picker > summary")
    expect(summary).to_have_text(f"Ämter {tree.number} · Held two {tree.number}")
    expect(page).to_have_url(f"{quiet.url}/batches")  # no request before `Search`
    keys.press("Escape")
    expect(summary).to_be_focused()
    judge(visitor)
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(f"{quiet.url}/batches?quest={tree.many[1].id}")


def test_one_is_chosen_without_javascript(
    quiet: Site, visit: Callable[..., Visitor], tree: Tree
) -> None:
    """B-5: plain details and radios; controls that need JavaScript are hidden."""
    page = visit(quiet, java_script_enabled=False).sign_in().page
    page.goto("/batches/new")
    closed(page).click()
    expect(page.get_by_label("Search badges and quests")).to_be_hidden()
    page.locator(".branch summary").filter(has_text=f"Ämter {tree.number}").click()
    page.get_by_label(f"Held two {tree.number}").check()
    page.get_by_role("button", name="Save draft").click()
    expect(closed(page)).to_have_text(f"Ämter {tree.number} · Held two {tree.number}")


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Site]:
    """A console with 300 badges of five quests, which would slow down other tests."""
    site = Site("", tmp_path)
    with site.app.app_context(), transaction():
        for place in range(300):
            name = f"Crowd {place}"
            badge = Badge(name=name, name_key=fold(name), created_at=NOW)
            badge.quests = [
                Quest(name=f"Quest {one}", name_key=f"quest {one}", position=one)
                for one in range(5)
            ]
            db.session.add(badge)
    site.start_web()
    yield site
    site.stop()


def test_three_hundred_badges(crowded: Site, visit: Callable[..., Visitor]) -> None:
    """B-5: 300 badges of five quests are available at once, and found by typing."""
    page = visit(crowded).sign_in().page
    page.goto("/batches/new")
    closed(page).click()
    page.keyboard.type("crowd 299", delay=60)
    expect(page.locator("#quest-picker .branch:visible")).to_have_count(1)
