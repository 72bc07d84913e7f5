"""`Home` in a browser: work that runs, the search of members, with and without JavaScript (E-1)."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.test_runs import draft, window, work
from tests.browser.visitor import Visitor
from webapp.domain.batches import runs
from webapp.models import Role
from webapp.transaction import transaction


def test_a_batch_runs_and_ends_before_ones_eyes(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-26: progress without reloading; then what failed needs attention, and the page asks no more."""
    batch = draft(quiet, 4, suspended=1)
    with quiet.app.app_context(), transaction():
        runs.publish(batch.id, quiet.actor())
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto("/")
    expect(page.get_by_label("Find a member")).to_be_focused()
    running = page.get_by_role("region", name="Running now").locator("li", has_text=batch.name)
    expect(running).to_contain_text("Unpublished")
    quiet.hold(batch.id)
    quiet.unlock(batch.id, 2)
    expect(running).to_contain_text("2 of 4 members")
    expect(running).to_contain_text("50%")
    judge(visitor)
    work(quiet, batch)
    failed = page.get_by_role("region", name="Needs attention").locator("li", has_text=batch.name)
    expect(failed).to_contain_text("1 error among 4 members")
    expect(running).to_have_count(0)
    failed.get_by_role("link").click()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    assert not visitor.faults


def test_a_member_is_found_by_keyboard(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """A suggestion opens the profile; Enter without one, and the page without JavaScript, search Members."""
    number = next(quiet.people)
    member = quiet.make.member(f"findable{number}", name="Ida Lund")
    visitor = visit(quiet).sign_in(Role.SUPPORT)
    page = visitor.page
    page.goto("/")
    page.keyboard.type(f"findable{number}", delay=20)
    expect(page.get_by_role("option")).to_have_count(1)
    judge(visitor)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{quiet.url}/members/{member.id}")
    page.goto("/")
    page.keyboard.type(f"findable{number}", delay=20)
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{quiet.url}/members?q=findable{number}")

    plain = visit(quiet, java_script_enabled=False).sign_in(Role.SUPPORT).page
    plain.goto("/")
    plain.get_by_label("Find a member").fill(f"findable{number}")
    plain.get_by_role("button", name="Search").click()
    expect(plain.get_by_role("link", name=f"findable{number}", exact=True)).to_be_visible()


def test_award_badge_opens_over_home(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """M-7: the same dialog as over the badges."""
    quiet.make.quest()
    page = visit(quiet).sign_in(Role.MANAGER).page
    page.goto("/")
    page.get_by_role("link", name="Award Badge", exact=True).click()
    window(page, "Award Badge")
