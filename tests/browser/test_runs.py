"""Actions on a batch in a browser: forecast, stop, retry, dismiss, undo, search; two people editing a draft."""

from __future__ import annotations

import os
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect
from sqlalchemy import update

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.database import db
from webapp.models import Batch, Member
from webapp.transaction import transaction


def draft(quiet: Site, size: int = 6, suspended: int = 0, name: str = "Spring") -> Batch:
    """A draft with its own members, some of them suspended."""
    number = next(quiet.people)
    ids = quiet.make.members(size, prefix=f"runner{number}x")
    quest = quiet.make.quest("Came by", quiet.make.badge(f"Runner {number}", icon="medal"))
    status(quiet, "suspended", *ids[size - suspended :])
    return quiet.make.batch(ids, quest, f"{name} {number}")


def status(quiet: Site, word: str, *ids: int) -> None:
    with quiet.app.app_context(), transaction():
        db.session.execute(update(Member).where(Member.id.in_(ids)).values(status=word))


def work(quiet: Site, batch: Batch, number: int = 1000) -> None:
    """Decide some members of a held batch."""
    while quiet.unlock(batch.id, number) and number == 1000:
        pass


def window(page: Page, name: str) -> Locator:
    """The open dialog with that name."""
    found = page.get_by_role("dialog", name=name)
    expect(found).to_be_visible()
    return found


def keep(page: Page, name: str) -> None:
    """Save screenshots, if a folder for them is set."""
    if folder := os.environ.get("LAUREL_PICTURES"):
        for theme in ("light", "dark"):
            for width in (1280, 390):
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                page.set_viewport_size({"width": width, "height": 860})
                page.screenshot(path=f"{folder}/{name}-{theme}-{width}.png")
        page.set_viewport_size({"width": 1280, "height": 900})


def press(page: Page, name: str, kind: str = "button") -> None:
    page.locator("#actions").get_by_role(kind, name=name, exact=True).click()


def test_forecast_stop_retry_and_undo(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-21, B-23, B-25, B-26, B-37, B-38, B-40: one batch, its page open throughout and updating itself."""
    batch = draft(quiet, 6)
    visitor = visit(quiet).sign_in()
    page, address = visitor.page, f"/batches/{batch.id}"
    now = page.locator("#progress")
    page.goto(address)
    page.get_by_label("Name", exact=True).fill(f"Typed {batch.id}")
    press(page, "Publish")
    forecast = window(page, "Publish")
    expect(page).to_have_url(f"{quiet.url}{address}/publication")
    expect(forecast).to_contain_text(f"Typed {batch.id}")
    expect(forecast).to_contain_text("Will receive the badge6")
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{quiet.url}{address}#open-publication")
    visitor.publish()
    page.goto(address)
    expect(now).to_contain_text("Unpublished")
    quiet.hold(batch.id)
    work(quiet, batch, 2)
    expect(now).to_contain_text("33%")

    press(page, "Stop", "link")
    expect(window(page, "Stop batch")).to_contain_text("2 of 6 are done")
    window(page, "Stop batch").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status").first).to_contain_text("4 members marked Error")  # it fades
    expect(now).to_have_text("Partially published4 errors")
    expect(page.locator("#members").get_by_text("Stopped by The Admin")).to_have_count(4)

    press(page, "Retry")
    expect(now).to_contain_text("In Progress0%")
    quiet.hold(batch.id)
    work(quiet, batch)
    expect(now).to_have_text("Published")
    expect(page.locator("#members").get_by_role("link", name="Published 6")).to_be_visible()
    expect(page.get_by_role("button", name="Upload")).to_be_visible()

    press(page, "Undo batch", "link")  # the button appeared when the run ended
    undo = window(page, "Undo batch")
    expect(undo.locator(".figures")).to_have_text("Badges to remove6Badges to keep0")
    undo.get_by_role("button", name="Undo batch").click()
    expect(now).to_contain_text("Being undone")
    quiet.hold(batch.id)
    work(quiet, batch, 3)
    expect(now).to_contain_text("50%")
    work(quiet, batch)
    expect(now).to_have_text("PublishedUndone")
    expect(page.locator("#members").get_by_text("Removed")).to_have_count(6)
    expect(page.locator("#actions")).to_have_text("Save")
    page.goto("/batches")
    row = page.get_by_role("row").filter(has_text=f"Typed {batch.id}")
    expect(row).to_contain_text("Undone")


def test_the_same_without_javascript(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-21, B-35, B-37, B-38, B-40: plain pages and forms are enough."""
    batch = draft(quiet, 5, 2)
    visitor = visit(quiet, java_script_enabled=False).sign_in()
    page, address = visitor.page, f"/batches/{batch.id}"
    now = page.locator("#progress")
    page.goto(address)
    visitor.publish()
    quiet.hold(batch.id)
    work(quiet, batch)
    page.goto(address)
    expect(now).to_have_text("Partially published2 errors")
    page.get_by_label("Search these members").fill(f"runner{batch.name.split()[1]}x5")
    page.locator("#members").get_by_role("button", name="Search").click()
    expect(page.locator("#members tbody tr")).to_have_count(1)
    press(page, "Dismiss errors", "link")
    expect(page.locator("#dismissal")).to_contain_text("2 members with errors will be removed")
    page.locator("#dismissal").get_by_role("button", name="Dismiss").click()
    expect(now).to_have_text("Published")
    press(page, "Undo batch", "link")
    page.locator("#undo").get_by_role("button", name="Undo batch").click()
    quiet.hold(batch.id)
    work(quiet, batch)
    page.reload()
    expect(now).to_have_text("PublishedUndone")


def test_two_managers_at_one_draft(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """X29: any button tells the second; their input stays and can be saved; their own saves never conflict."""
    batch = draft(quiet, 1)
    first, second = visit(quiet).sign_in(), visit(quiet).sign_in()
    second.expected = ["409"]
    for visitor in (first, second):
        visitor.page.goto(f"/batches/{batch.id}")
    first.page.get_by_label("Name", exact=True).fill("By the first")
    for _ in range(2):  # the dialog saves; after it the same page saves again
        press(first.page, "Publish")
        window(first.page, "Publish")
        first.page.go_back()
        expect(first.page.get_by_role("dialog")).to_have_count(0)
        first.page.get_by_label("Name", exact=True).fill("By the first again")
    press(first.page, "Save draft")
    expect(first.page.get_by_role("status").first).to_have_text("Saved.")

    page = second.page
    page.get_by_label("Name", exact=True).fill("By the second")
    press(page, "Publish")
    note = page.locator("#heading .note")
    expect(note).to_contain_text("The Admin has changed this batch in the meantime.")
    expect(note).to_contain_text("Current version: By the first again")
    expect(page.get_by_label("Name", exact=True)).to_have_value("By the second")
    judge(second)
    keep(page, "conflict")
    press(page, "Save draft")
    expect(page.get_by_role("heading", level=1)).to_have_text("By the second")


def test_search_among_the_members(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-35: typed and entered, in the URL, cleared; together with a status."""
    batch = draft(quiet, 30)
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto(f"/batches/{batch.id}")
    rows = page.locator("#members tbody tr")
    expect(rows).to_have_count(25)
    name = f"runner{batch.name.split()[1]}x3"
    page.get_by_label("Search these members").fill(name.upper())
    page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    assert f"q={name.upper()}" in page.url
    page.locator("#members").get_by_role("link", name="Unpublished 30").click()
    expect(page).to_have_url(f"{quiet.url}/batches/{batch.id}?status=Unpublished&q={name.upper()}")
    expect(rows).to_have_count(2)
    page.go_back()
    page.go_back()
    expect(rows).to_have_count(25)


def test_the_dialogs_are_accessible(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """WCAG 2.2 AA: forecast, stop, dismiss and undo, and the page of an undone batch."""
    visitor = visit(quiet).sign_in()
    page = visitor.page
    batch = draft(quiet, 9, 3, "A batch with quite a long name, as people give them")
    quiet.make.award(quiet.make.members(1, f"z{batch.id}x")[0], batch.quest_id)
    page.goto(f"/batches/{batch.id}")
    press(page, "Publish")
    window(page, "Publish")
    judge(visitor)
    keep(page, "forecast")
    window(page, "Publish").get_by_role("button", name="Publish").click()
    quiet.hold(batch.id)
    work(quiet, batch, 4)
    for noun, kind, name in (
        ("halt", "Stop", "Stop batch"),
        ("dismissal", "Dismiss errors", "Dismiss errors"),
        ("reversal", "Undo batch", "Undo batch"),
    ):
        page.goto(f"/batches/{batch.id}")
        press(page, kind, "link")
        window(page, name)
        judge(visitor)
        keep(page, noun)
        if noun == "halt":
            work(quiet, batch)
            page.goto(f"/batches/{batch.id}")
            keep(page, "partly")
    window(page, "Undo batch").get_by_role("button", name="Undo batch").click()
    quiet.hold(batch.id)
    work(quiet, batch)
    page.goto(f"/batches/{batch.id}")
    judge(visitor)
    keep(page, "undone")


def test_a_batch_is_renamed_followed_and_told_of(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """B-26: renamed at its title; the tab's title follows the run; another page says that it is done, once."""
    quest = quiet.make.quest("Came along", quiet.make.badge(f"Guest {next(quiet.people)}"))
    members = quiet.make.members(10, prefix=f"told{next(quiet.people)}x")
    batch = quiet.make.batch(members, quest, "Old")
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto(f"/batches/{batch.id}")
    page.get_by_label("Rename", exact=True).click()
    field = page.get_by_label("New name")
    expect(field).to_be_focused()
    judge(visitor)
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    page.keyboard.press("Enter")
    expect(field).to_be_focused()
    page.keyboard.type("Winter sale")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Winter sale")).to_be_visible()
    visitor.publish()
    page.goto("/members")
    quiet.hold(batch.id)
    page.goto(f"/batches/{batch.id}")
    quiet.unlock(batch.id, 6)
    expect(page).to_have_title("60 % · Winter sale · Laurel")
    page.goto("/members")
    while quiet.unlock(batch.id, 10):
        pass
    toast = page.locator("#toasts").get_by_role("status")
    expect(toast).to_contain_text("“Winter sale” is Published.")
    judge(visitor)
    toast.get_by_role("link", name="Open batch Winter sale").click()
    expect(page).to_have_title("Published · Winter sale · Laurel")
    page.goto("/members")
    assert page.locator("#awaited-batches[hx-trigger*=every]").count() == 0


def test_a_tab_that_was_open_before_is_told_too(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-26: once in all tabs."""
    visitor = visit(quiet).sign_in()
    earlier = visitor.context.new_page()
    earlier.goto("/members")
    polling = earlier.locator("#awaited-batches[hx-trigger*=every]")
    expect(polling).to_have_count(0)
    batch = draft(quiet)
    visitor.page.goto(f"/batches/{batch.id}")
    visitor.publish()
    expect(polling).to_have_count(1)
    visitor.page.close()
    quiet.hold(batch.id)
    work(quiet, batch)
    expect(earlier.locator("#toasts").get_by_role("status")).to_contain_text(batch.name)
    expect(polling).to_have_count(0)
