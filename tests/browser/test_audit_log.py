"""The audit log in use: filtered, paginated, opened from a batch; with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.models import Role


def test_a_manager_looks_up_who_did_what(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """L-1: from a batch to the audit log, filtered by action, and its export."""
    batch = quiet.make.batch(
        quiet.make.members(3, prefix="kept"), name="Kept meetup", published=True
    )
    visitor = visit(quiet).sign_in(Role.SUPPORT)
    page = visitor.page
    page.goto(f"/batches/{batch.id}")
    history = page.locator("#history")
    expect(history.get_by_role("listitem")).to_have_count(2)
    history.get_by_role("link", name="View full history").click()
    rows = page.locator("#audit-log tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Laurel published the batch “Kept meetup” (3 members)")
    page.locator("#action-picker summary").click()
    page.get_by_label("Batch created", exact=True).check()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Search").click()
    expect(rows).to_have_count(1)
    assert "act=batch.created" in page.url
    judge(visitor)
    with page.expect_download() as told:
        page.get_by_role("link", name="Export").click()
    saved = Path(told.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(saved) == 2
    page.get_by_role("link", name="Remove filter Action: Batch created").click()
    expect(rows).to_have_count(2)
    rows.first.get_by_role("link", name="Kept meetup").click()
    expect(page).to_have_url(f"{quiet.url}/batches/{batch.id}")
    judge(visitor)


def test_the_audit_log_without_javascript(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """L-1: filters and pages are plain forms and links."""
    for number in range(30):
        quiet.make.batch(name=f"Plain {number}")
    page = visit(quiet, java_script_enabled=False).sign_in(Role.MANAGER).page
    page.goto("/audit-log")
    page.get_by_role("searchbox", name="Search").first.fill("plain")
    page.locator("#action-picker summary").click()
    page.get_by_label("Batch created", exact=True).check()
    page.get_by_text("More filters").click()
    page.locator("#from").fill("2026-01-01")
    page.get_by_role("button", name="Search").click()
    rows = page.locator("#audit-log tbody tr")
    expect(rows).to_have_count(25)
    page.get_by_role("link", name="Older").click()
    expect(rows).to_have_count(5)
    expect(page.locator(".chip")).to_have_count(3)
    page.get_by_role("link", name="Newer").click()
    expect(rows).to_have_count(25)
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator(".chip")).to_have_count(0)
