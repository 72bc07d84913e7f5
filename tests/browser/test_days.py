"""A date is the same for everyone: only moments are converted to the viewer's time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.visitor import Visitor


def test_days_stay_as_they_were_chosen(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """A-3, D-6: in Berlin, midnight in UTC is one in the morning; neither keys nor figures are shifted by it."""
    page = visit(quiet).sign_in().page
    page.goto("/settings/api-keys/new")
    page.get_by_label("Name").fill("a key for Berlin")
    page.get_by_role("checkbox").first.check()
    page.get_by_label("Expires").fill("2999-11-30")
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("link", name="Done").click()
    row = page.locator("tbody tr").filter(has_text="a key for Berlin")
    expect(row.locator("[data-label=Expires] time")).to_have_text("30 Nov 2999")
    expect(row.locator("td.spare time")).to_have_text("just now")

    page.goto("/insights?zone=UTC")
    page.get_by_text("Daily figures").first.click()
    today = datetime.now(UTC)
    days = page.locator("th time").all_inner_texts()
    assert len(days) > 6
    assert f"{today.day} {today:%b %Y}" in days[:2]
    assert all(day.split()[-1].isdigit() and ":" not in day for day in days)
