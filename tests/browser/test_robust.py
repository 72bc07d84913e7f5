"""Bad connections, restarts, Back, two tabs and double clicks: nothing is lost, nothing happens twice."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import func, select

from tests.browser.files import csv, row
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from webapp.database import db
from webapp.models import Award, Batch, Quest, Role

HIDE = """(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def running(quiet: Site, decided: int = 10) -> Batch:
    """A batch of 100 that is being processed and paused at `decided` %."""
    number = next(quiet.people)
    members = quiet.make.members(100, prefix=f"person{number}x")
    batch = quiet.make.batch(members, None, f"Running {number}")
    quiet.publish(batch.id)
    quiet.hold(batch.id)
    quiet.unlock(batch.id, decided)
    return batch


def percent(page: Page, batch: Batch, value: int) -> None:
    expect(page.locator(f"#batch-{batch.id}-status")).to_have_attribute("data-percent", str(value))


def choose(page: Page, *rows: str) -> None:
    window = page.locator("#upload")
    window.locator("input[type=file]").set_input_files(csv(*rows))
    expect(page.locator("#preview")).to_be_visible()


def awards(site: Site, quest_id: int) -> int:
    count = select(func.count()).select_from(Award).where(Award.quest_id == quest_id)
    return site.read(lambda: db.session.scalar(count) or 0)


def test_a_hidden_tab_does_not_poll(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-26: paused while the tab is hidden, and resumed when it is visible."""
    batch = running(quiet)
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto("/batches")
    percent(page, batch, 10)
    page.evaluate(HIDE, "hidden")
    page.wait_for_timeout(300)  # a pending poll returns
    asked = visitor.asked(f"GET /batches/{batch.id}/row")
    quiet.unlock(batch.id, 20)
    page.wait_for_timeout(2500)
    assert visitor.asked(f"GET /batches/{batch.id}/row") == asked
    page.evaluate(HIDE, "visible")
    percent(page, batch, 30)


def test_polling_survives_bad_answers_and_a_restart(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """B-26, B-29: a dropped request, a 503 from a proxy, and a console that was down."""
    batch = running(quiet)
    visitor = visit(quiet).sign_in()
    visitor.expected = ["net::ERR_", "503", "Failed to fetch"]
    page = visitor.page
    page.goto("/batches")
    percent(page, batch, 10)
    trouble: list[Callable[[Route], None]] = [
        lambda route: route.abort(),
        lambda route: route.fulfill(status=503, body="<p>upstream is away</p>"),
    ]
    told = ["Can't reach the server.", "Something went wrong on our side."]
    for number, (actor, words) in enumerate(zip(trouble, told, strict=True), start=1):
        page.route(f"**/batches/{batch.id}/row", actor, times=1)
        expect(page.locator("#toasts")).to_contain_text(words)
        quiet.unlock(batch.id, 10)
        percent(page, batch, 10 + 10 * number)
    quiet.stop_web()
    asked = visitor.asked(f"GET /batches/{batch.id}/row")
    page.wait_for_function("() => document.querySelectorAll('#toasts .toast').length >= 2")
    while visitor.asked(f"GET /batches/{batch.id}/row") < asked + 2:
        page.wait_for_timeout(100)
    quiet.start_web()
    quiet.unlock(batch.id, 10)
    percent(page, batch, 40)
    assert (
        page.locator("#toasts .toast").count() == 2
    )  # each announced once, however often it failed


def test_after_a_session_ends_while_polling_signing_in_returns_to_the_page(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """R-2: the poll leads to the sign-in page, not into the row, and from there back to the list."""
    batch = running(quiet)
    visitor = visit(quiet).sign_in()
    visitor.expected = ["401"]
    page = visitor.page
    page.goto("/batches")
    percent(page, batch, 10)
    visitor.context.clear_cookies()
    page.wait_for_url(re.compile(r"/sign-in\?next=/batches$"))
    visitor.fill_sign_in(quiet.account(Role.ADMIN))
    expect(page).to_have_url(f"{quiet.url}/batches")
    percent(page, batch, 10)


def test_the_preview_has_an_address(site: Site, admin: Visitor, quest: Quest) -> None:
    """B-13: reloading and a shared link show the batch with the dialog open; Back closes it, Forward reopens it."""
    batch = site.make.batch(None, quest)
    page, window = admin.page, admin.page.get_by_role("dialog", name="Upload members")
    page.goto("/batches?tab=drafts")
    page.goto(f"/batches/{batch.id}")
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page).to_have_url(f"{site.url}/batches/{batch.id}/upload")
    choose(page, row(1), row(1), "NOBODY;;")
    page.get_by_role("link", name="Merged 1").click()
    expect(page).to_have_url(f"{site.url}/batches/{batch.id}/upload?show=merged")
    page.reload()
    expect(window).to_be_visible()
    expect(page.locator("#preview .tabs [aria-current]")).to_have_text("Merged 1")
    assert page.evaluate("document.querySelector('dialog').matches(':modal')")

    shared = admin.context.new_page()
    shared.goto(f"/batches/{batch.id}/upload")
    expect(shared.locator("#preview .tabs [aria-current]")).to_have_text("With errors 1")
    shared.close()

    page.go_back()
    expect(window).to_be_visible()
    page.go_back()
    page.go_back()
    if "/upload" in page.url:
        page.go_back()
    expect(page).to_have_url(f"{site.url}/batches/{batch.id}")
    expect(window).to_be_hidden()
    expect(page.get_by_label("Name", exact=True)).to_be_visible()
    page.get_by_label("Name", exact=True).click()  # nothing stays inert
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(window).to_be_visible()
    page.go_back()
    expect(window).to_be_hidden()


def test_two_tabs_add_a_file_once(site: Site, admin: Visitor, quest: Quest) -> None:
    """B-16: the second `Upload` of the other tab adds nothing and says why."""
    batch = site.make.batch(None, quest)
    one, other = admin.page, admin.context.new_page()
    one.goto(f"/batches/{batch.id}/upload")
    choose(one, row(1), row(2))
    other.goto(f"/batches/{batch.id}/upload")
    for tab in (one, other):
        tab.locator("#upload").get_by_role("button", name="Upload", exact=True).click()
        tab.wait_for_url(f"**/batches/{batch.id}")
        expect(tab.get_by_role("link", name="All 2")).to_be_visible()
    expect(one.get_by_role("status").first).to_have_text("2 members added.")
    expect(other.locator(".flashes, .note").first).to_be_visible()
    assert site.batch(batch.id).entry_count == 2


def test_double_clicks_do_things_once(site: Site, admin: Visitor, quest: Quest) -> None:
    """B-16, B-22, W103: on the second `Upload` and on `Publish`."""
    batch = site.make.batch(None, quest, "Twice")
    page = admin.page
    page.goto(f"/batches/{batch.id}/upload")
    choose(page, row(1), row(2))
    page.locator("#upload").get_by_role("button", name="Upload", exact=True).dblclick()
    page.wait_for_url(f"**/batches/{batch.id}")
    expect(page.get_by_role("link", name="All 2")).to_be_visible()
    admin.publish(clicks=2)
    expect(page.locator(f"#batch-{batch.id} .pill")).to_have_text("Published", timeout=30_000)
    expect(page.locator(f"#batch-{batch.id} td[data-label=Users]")).to_have_text("2")
    assert awards(site, quest.id) == 2


def test_back_after_sign_out_shows_nothing(site: Site, admin: Visitor) -> None:
    """W104: the previous page is requested again, and shows sign-in."""
    page = admin.page
    page.goto("/members")
    page.goto("/badges")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Laurel")
    page.go_back()
    expect(page).to_have_title("Sign in · Laurel")
    assert "Member1" not in page.content()
    page.go_back()
    expect(page).to_have_title("Sign in · Laurel")
    assert "Member1" not in page.content()


@pytest.mark.parametrize("path", ["/sign-in", "/batches", "/nowhere"])
def test_no_other_site_frames_the_console(site: Site, admin: Visitor, path: str) -> None:
    """W97: signed in or out, a page or an error."""
    admin.expected = ["frame", "elsewhere.test", "404", "X-Frame-Options"]
    page = admin.page
    frame = f"<!doctype html><title>trap</title><iframe src='{site.url}{path}'></iframe>"
    page.route(
        "http://elsewhere.test/", lambda route: route.fulfill(body=frame, content_type="text/html")
    )
    page.goto("http://elsewhere.test/")
    assert [one.url for one in page.frames[1:]] == ["chrome-error://chromewebdata/"]
