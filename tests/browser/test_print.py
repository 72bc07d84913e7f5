"""Printed pages contain facts: tables as tables, and no controls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.hostile import Hostile, raise_if_any
from tests.browser.visitor import Visitor

PAPER = {"width": 718, "height": 1040}  # A4 with margins of 1 cm, at 96 dpi
CONTROLS = """
() => {
  const controls = "button, .button, input, select, textarea, nav:not(.contents) a, a[rel]";
  return [...document.querySelectorAll(`${controls}, aside, .menu, dialog, [popover]`)]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.getBoundingClientRect().width > 1)
    .map((one) => one.outerHTML.slice(0, 120));
}
"""
WIDE = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    made = raise_if_any(tmp_path_factory.mktemp("print"))
    yield made
    made.site.stop()


def shown(page: Page, selector: str) -> bool:
    return page.locator(selector).first.is_visible()


def test_nothing_to_press_is_printed(hostile: Hostile, visit: Callable[..., Visitor]) -> None:
    visitor = visit(hostile.site, viewport=PAPER).sign_in()
    visitor.expected = ["404"]
    page = visitor.page
    page.emulate_media(media="print", color_scheme="dark")
    wrong = {}
    for what, path in hostile.pages().items():
        page.goto(path)
        found = page.evaluate(CONTROLS)
        if (wide := page.evaluate(WIDE)) > 0:
            found.append(f"{wide} px too wide")
        if found:
            wrong[what] = found[:4]
    assert not wrong, "\n".join(f"{what}\n  " + "\n  ".join(found) for what, found in wrong.items())


def test_tables_and_facts_are_printed(hostile: Hostile, visit: Callable[..., Visitor]) -> None:
    """Including those collapsed on screen; dark pages are printed on white."""
    page = visit(hostile.site, viewport=PAPER).sign_in().page
    page.emulate_media(media="print", color_scheme="dark")
    pages = hostile.pages()
    for what in (
        "members",
        "batches",
        "batch, failed",
        "audit log",
        "API keys",
        "staff",
        "account",
    ):
        page.goto(pages[what])
        row = page.locator("tbody tr").first
        assert row.is_visible(), what
        assert row.evaluate("(one) => getComputedStyle(one).display") == "table-row", what
        assert page.locator("thead th:not(.pick)").first.is_visible(), what
        assert shown(page, "h1"), what
    page.goto(pages["insights"])
    assert page.locator(".tall").first.is_visible()
    page.goto(pages["batch, failed"])
    assert shown(page, "#heading .who")  # the badge
    page.goto(pages["batch, draft"])
    assert shown(page, "#quest-picker > summary")
    page.goto(pages["member"])
    assert shown(page, ".head .pill")
    page.goto(pages["batches"])
    time = page.locator("tbody time").nth(1)
    exact = re.compile(r"\d+ \w+ \d{4}, \d\d:\d\d")
    assert not exact.fullmatch(time.inner_text())  # relative time
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert exact.fullmatch(time.inner_text())
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not exact.fullmatch(time.inner_text())
    ground = "getComputedStyle(document.documentElement).colorScheme"
    assert "light" in page.evaluate(ground)
