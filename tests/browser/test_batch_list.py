"""The list of batches in a browser: filters, chips, sorting, Back (B-30 to B-34)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.database import db
from webapp.domain.normalization import fold
from webapp.models import Batch, BatchStatus, Quest
from webapp.transaction import transaction


@dataclass
class Shelf:
    """Batches of this test only: their names start with `mark`."""

    mark: str
    quests: list[Quest]


@pytest.fixture
def shelf(quiet: Site) -> Shelf:
    """`one` to `four`, for a badge with two quests and one with one, over four days of March in Berlin."""
    mark = f"Shelf{next(quiet.people)}"
    scholar, founder = quiet.make.badge(f"{mark} scholar"), quiet.make.badge(f"{mark} founder")
    quests = [
        quiet.make.quest("Finished a course", scholar, position=0),
        quiet.make.quest("Taught a course", scholar, position=1),
        quiet.make.quest("Began it all", founder),
    ]
    plan = [
        ("one", BatchStatus.PUBLISHED, 0, 27, 22),  # 23:30 of the 27th in Berlin
        ("two", BatchStatus.PARTIALLY_PUBLISHED, 1, 27, 23),  # half past midnight of the 28th
        ("three", BatchStatus.PUBLISHED, 2, 29, 21),  # 23:30 of the 29th, in summer time
        ("four", BatchStatus.PUBLISHED, 0, 29, 22),
    ]
    rows = []
    for place, (name, status, quest, day, hour) in enumerate(plan):
        at = datetime(2026, 3, day, hour, 30, tzinfo=UTC)
        rows.append(
            {
                "name": f"{mark} {name}", "name_key": fold(f"{mark} {name}"), "status": status,
                "quest_id": quests[quest].id, "entry_count": place, "published": place, "version": 1,
                "created_at": at, "updated_at": at, "published_at": at,
            }
        )  # fmt: skip
    with quiet.app.app_context(), transaction():
        db.session.execute(insert(Batch), rows)
    return Shelf(mark, quests)


def expect_titles(page: Page, shelf: Shelf, *names: str) -> None:
    expect(page.locator("tbody td:first-child")).to_have_text(
        [f"{shelf.mark} {name}" for name in names]
    )


def test_filters_are_added_and_removed(
    quiet: Site, visit: Callable[..., Visitor], shelf: Shelf
) -> None:
    """B-31, B-33: name on Enter, status immediately, badges by the tree; chips, Back and reload keep the list."""
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto("/batches")
    page.wait_for_selector(
        "#filters form[data-htmx-powered]"
    )  # before that, Enter would send the form without the script
    page.get_by_label("Batch name").focus()
    page.keyboard.type(shelf.mark.upper())
    page.keyboard.press("Enter")
    expect_titles(page, shelf, "four", "three", "two", "one")
    expect(page).to_have_url(f"{quiet.url}/batches?name={shelf.mark.upper()}")
    expect(page.locator("#found")).to_have_text("4 batches found")
    expect(page.get_by_label("Batch name")).to_be_focused()

    page.locator("#status-picker > summary").click()
    page.get_by_label("Published", exact=True).check()
    expect_titles(page, shelf, "four", "three", "one")
    page.get_by_label("Partially published").check()
    expect_titles(page, shelf, "four", "three", "two", "one")
    page.locator("h1").click()
    expect(page.locator("#status-picker")).not_to_have_attribute("open", "")

    page.locator("#badge-picker > summary").click()
    page.get_by_label(f"Quests of {shelf.mark} scholar").click()
    page.get_by_label(f"{shelf.mark} scholar", exact=True).check()
    taught = page.locator(f"input[name=quest][value='{shelf.quests[1].id}']")
    expect(taught).to_be_checked()
    taught.uncheck()
    expect(page.get_by_label(f"{shelf.mark} scholar", exact=True)).not_to_be_checked()
    page.get_by_role("button", name="Search").click()
    expect_titles(page, shelf, "four", "one")
    expect(page.locator("#badge-picker > summary")).to_have_text(
        f"{shelf.mark} scholar · Finished a course"
    )
    address = page.url

    page.get_by_role("link", name="Remove filter Status: Published", exact=True).click()
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(page.locator("#status-picker :checked")).to_have_count(1)
    page.go_back()
    expect_titles(page, shelf, "four", "one")
    expect(page).to_have_url(address)
    expect(page.locator("#status-picker > summary")).to_have_text("Published, Partially published")
    page.reload()
    expect_titles(page, shelf, "four", "one")
    judge(visitor)
    page.get_by_role("link", name="Clear all").click()
    expect(page).to_have_url(f"{quiet.url}/batches")
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.locator("#filters input:checked")).to_have_count(0)


def test_days_of_the_viewers_zone(quiet: Site, visit: Callable[..., Visitor], shelf: Shelf) -> None:
    """B-32: After, Before and Equal by Berlin's days, across its day of 23 hours; the URL contains the zone."""
    page = visit(quiet).sign_in().page
    page.goto(f"/batches?name={shelf.mark}")
    page.get_by_text("More filters").click()

    def add(label: str, operator: str, day: str) -> None:
        page.get_by_label(label, exact=True).fill(day)
        page.get_by_label(f"{label} is").select_option(operator)
        page.get_by_role("button", name="Search").click()

    expect(page.get_by_label("Created at is")).to_have_value("after")
    add("Created at", "> After", "2026-03-27")
    expect_titles(page, shelf, "four", "three", "two")
    expect(page).to_have_url(
        f"{quiet.url}/batches?name={shelf.mark}&created_after=2026-03-27&zone=Europe/Berlin"
    )
    expect(page.get_by_label("Created at", exact=True)).to_have_value("")
    add("Created at", "< Before", "2026-03-30")
    expect_titles(page, shelf, "three", "two")
    add("Last updated", "= Equal", "2026-03-29")
    expect_titles(page, shelf, "three")
    expect(page.locator(".chip")).to_have_text(
        [
            f"Name: {shelf.mark}",
            "Created at after 27 Mar 2026",
            "Created at before 30 Mar 2026",
            "Last updated on 29 Mar 2026",
        ]
    )
    link = page.url
    elsewhere = visit(quiet, java_script_enabled=False).sign_in().page
    elsewhere.goto(link)
    expect_titles(elsewhere, shelf, "three")


def test_headers_sort(quiet: Site, visit: Callable[..., Visitor], shelf: Shelf) -> None:
    """B-34: by keyboard too; focus stays on the header, and the URL contains the order."""
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto(f"/batches?name={shelf.mark}")
    head = page.get_by_role("columnheader", name="Users")
    head.get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect_titles(page, shelf, "one", "two", "three", "four")
    expect(head.get_by_role("link")).to_be_focused()
    assert visitor.focus_shows()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect_titles(page, shelf, "four", "three", "two", "one")
    expect(page).to_have_url(f"{quiet.url}/batches?name={shelf.mark}&sort=-users")
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("link", name="Badge", exact=True).click()
    expect_titles(page, shelf, "three", "one", "four", "two")


def test_a_running_batch_updates_in_a_filtered_list(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """B-26: its row keeps polling, and stays until the list is requested again; text being typed stays."""
    number = next(quiet.people)
    members = quiet.make.members(10, prefix=f"mover{number}x")
    batch = quiet.make.batch(members, None, f"Mover {number}")
    quiet.publish(batch.id)
    quiet.hold(batch.id)
    quiet.unlock(batch.id, 5)
    page = visit(quiet).sign_in().page
    page.goto(f"/batches?status=in_progress&name=Mover {number}&sort=title")
    row = page.locator(f"#batch-{batch.id}")
    expect(row.locator(".percent")).to_have_text("50%")
    page.get_by_label("Batch name").fill("something else")
    while quiet.unlock(batch.id, 10):
        pass
    expect(row.locator(".pill")).to_have_text("Published")
    expect(page.get_by_label("Batch name")).to_have_value("something else")


def test_the_list_without_javascript(
    quiet: Site, visit: Callable[..., Visitor], shelf: Shelf
) -> None:
    """B-31 to B-34: plain forms and links are enough; so is a badge's own checkbox."""
    page = visit(quiet, java_script_enabled=False).sign_in().page
    page.goto("/batches")
    page.get_by_label("Batch name").fill(shelf.mark)
    page.locator("#badge-picker > summary").click()
    page.get_by_label(f"{shelf.mark} scholar", exact=True).check()
    page.get_by_text("More filters").click()
    page.get_by_label("Created at", exact=True).fill("2026-03-27")
    page.get_by_role("button", name="Search").click()
    expect_titles(page, shelf, "four")  # UTC days, the default
    page.get_by_role("link", name="Remove filter Created at after 27 Mar 2026").click()
    expect_titles(page, shelf, "four", "two", "one")
    page.get_by_role("link", name="Title").click()
    expect_titles(page, shelf, "four", "one", "two")
    page.get_by_role("link", name="Drafts").click()
    expect(page.get_by_text("No drafts match these filters.")).to_be_visible()
