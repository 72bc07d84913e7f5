"""A batch published without members, to which members are added afterwards."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.test_runs import press, window, work
from tests.browser.visitor import Visitor


def test_members_are_added_to_a_published_batch(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-6, B-24, B-36: it is `Published` at once; a member added later needs another publish."""
    number = next(quiet.people)
    quest = quiet.make.quest("Came by", quiet.make.badge(f"Later {number}"))
    batch = quiet.make.batch([], quest, f"Empty {number}")
    latecomer = quiet.make.member(f"latecomer{number}")
    page, address = visit(quiet).sign_in().page, f"/batches/{batch.id}"
    page.goto(address)
    press(page, "Publish")
    window(page, "Publish").get_by_role("button", name="Publish").click()
    row = page.locator(f"#batch-{batch.id}")
    expect(row).to_contain_text("Published")

    page.goto(address)
    page.get_by_label("Single", exact=True).check()
    page.locator("#member").fill(latecomer.username)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#members")).to_contain_text(latecomer.username)
    page.goto(address)
    expect(page.locator("#progress")).to_contain_text("1 not yet published")
    press(page, "Publish")
    window(page, "Publish").get_by_role("button", name="Publish").click()
    expect(row).to_contain_text("Unpublished")
    quiet.hold(batch.id)
    work(quiet, batch)
    expect(row).to_contain_text("Published")
    page.goto(address)
    expect(page.locator("#members").get_by_role("link", name="Published 1")).to_be_visible()
