"""Lists on a phone: rows of two lines, folded filters, and the first row in the upper half of the screen (E-9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site
from tests.browser.test_accessibility import DESK, PHONE
from tests.browser.visitor import Visitor
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.imports import imports
from webapp.domain.permissions import Scope
from webapp.models import Origin
from webapp.transaction import transaction

HEIGHT = PHONE["height"]
PLACES = """
() => [...document.querySelectorAll(".cards tbody tr")].map((row) => {
  const { top, bottom } = row.getBoundingClientRect();
  return [top + scrollY, bottom + scrollY];
})
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A console whose lists have a full first page."""
    site = Site("", tmp_path_factory.mktemp("phone"))
    make, actor = site.make, Actor(datetime.now(UTC), Origin.COMMAND_LINE)
    quest = make.quest("Answered 50 questions", make.badge("Helper"))
    for number in range(26):
        member = make.member(f"member{number}", name=f"Member Number {number}")
        make.award(member.id, quest.id)
        batch = make.batch([member.id], quest, f"Published {number}", published=True)
        site.hold(batch.id)
        while site.unlock(batch.id, 100):
            pass
        make.batch([member.id], quest, f"Draft {number}")
    with site.app.app_context():
        for number in range(25):
            with transaction():
                api_keys.create(f"System {number}", [Scope.MEMBERS_READ], None, actor)
                imports.receive(f"members-{number}.csv", b"ID\r\n1\r\n", actor)
    site.start_web()
    yield site
    site.stop()


@pytest.fixture
def page(full: Site, visit: Callable[..., Visitor]) -> Page:
    visitor = visit(full, viewport=PHONE, has_touch=True).sign_in()
    return visitor.page


@pytest.mark.parametrize("path", ["/members", "/batches", "/batches?tab=drafts", "/audit-log"])
def test_the_first_row_is_in_the_upper_half_and_25_fit_on_three_screens(
    page: Page, path: str
) -> None:
    page.goto(path)
    rows = page.evaluate(PLACES)
    assert len(rows) >= 25
    assert rows[0][0] < HEIGHT / 2
    assert rows[24][1] <= 3 * HEIGHT, rows[24]


@pytest.mark.parametrize("path", ["/badges/1", "/members/imports"])
def test_25_rows_below_other_content_fit_on_three_screens(page: Page, path: str) -> None:
    page.goto(path)
    rows = page.evaluate(PLACES)[-20:]
    assert len(rows) == 20
    assert (rows[-1][1] - rows[0][0]) / 20 * 25 <= 3 * HEIGHT, rows[:2]


def test_filters_are_behind_their_label(page: Page) -> None:
    """S2-62: closed until tapped, with the number of active ones; on a desktop they are always visible."""
    page.goto("/members?status=active")
    label = page.locator(".fold > summary")
    expect(label).to_have_text("Filters 1 active")
    search = page.get_by_role("searchbox", name="Search", exact=True)
    expect(search).to_be_hidden()
    label.click()
    search.fill("member1")
    expect(page.locator("#members h2")).to_have_text("11 members")
    expect(label).to_have_text("Filters 2 active")
    expect(search).to_be_focused()
    page.set_viewport_size(DESK)
    page.goto("/members")
    expect(label).to_be_hidden()
    expect(search).to_be_visible()


def test_filters_open_without_javascript(full: Site, visit: Callable[..., Visitor]) -> None:
    page = visit(full, viewport=PHONE, java_script_enabled=False).sign_in().page
    for path in ("/members", "/batches", "/audit-log", "/badges/1"):
        page.goto(path)
        field = page.locator(".fold .input").first
        expect(field).to_be_hidden()
        page.locator(".fold > summary").click()
        expect(field).to_be_visible()


def test_the_active_tab_is_in_view(page: Page) -> None:
    page.goto("/batches?tab=drafts")
    box = page.locator(".tabs [aria-current]").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
