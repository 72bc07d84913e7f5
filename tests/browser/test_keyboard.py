"""Everything works by keyboard, focus is always visible, and screen readers get announcements."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.files import csv, row
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from webapp.domain.badges import quests
from webapp.domain.batches import drafts
from webapp.models import Quest


def badge_of(site: Site, quest: Quest) -> str:
    return site.read(
        lambda: next(badge.name for badge, of in quests.choices() if of[0].id == quest.id)
    )


def tab_through_the_window(visitor: Visitor, most: int = 30) -> None:
    """Press Tab past the last stop of a dialog, when the browser's own UI has focus: the page reports `body`."""
    for _ in range(most):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate("document.activeElement === document.body"):
            return
        assert visitor.page.evaluate("document.activeElement.closest('dialog') !== null")
        assert visitor.focus_shows(), f"nobody sees the focus on {visitor.focused()!r}"
    raise AssertionError(f"the window has more than {most} stops")


def test_a_batch_by_keyboard_alone(site: Site, admin: Visitor, quest: Quest) -> None:
    """B-4, B-5, B-8, B-13, B-16, B-22: from the menu to publishing; only the file is passed by the test."""
    page, keys = admin.page, admin.page.keyboard
    page.goto("/badges")
    admin.tab_to("Skip to content")
    keys.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    admin.tab_to("More actions")
    keys.press("Enter")
    admin.tab_to("Batch unlock", most=2)
    keys.press("Enter")
    expect(page).to_have_title("Batch unlock · Laurel")
    page.wait_for_load_state()
    admin.tab_to("Create Batch")
    keys.press("Enter")
    expect(page).to_have_title("New Batch · Laurel")
    page.wait_for_load_state()

    admin.tab_to("Name")
    keys.type("By keyboard")
    keys.press("Tab")
    assert admin.focused().startswith("Badge")
    keys.press("Enter")
    expect(page.get_by_label("Search badges and quests").first).to_be_focused()
    keys.type(badge_of(site, quest))
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator(f"input[name=quest][value='{quest.id}']")).to_be_checked()
    assert admin.focus_shows()
    admin.tab_to("Multiple", most=60)
    admin.tab_to("Upload", most=1)
    keys.press("Enter")
    expect(page.get_by_role("dialog", name="Upload members")).to_be_visible()

    window = page.get_by_role("dialog")
    expect(window.locator("input[type=file]")).to_be_focused()
    assert admin.focus_shows()
    window.locator("input[type=file]").set_input_files(csv(row(1), row(2), "NOBODY;;"))
    expect(page.locator("#preview")).to_be_visible()
    expect(window).to_be_focused()  # it is reopened, and takes focus
    for _ in range(2):  # the dialog keeps focus
        tab_through_the_window(admin)
    admin.tab_to("With errors 1")
    keys.press("Enter")
    expect(page.locator("#preview .rows tbody tr")).to_have_count(1)
    admin.tab_to("Upload")
    keys.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("2 members added.")
    expect(window).to_be_hidden()
    admin.tab_to("Publish")
    keys.press("Enter")
    expect(page.get_by_role("dialog", name="Publish")).to_be_focused()
    admin.tab_to("Publish")
    keys.press("Enter")
    page.wait_for_url("**/batches")
    expect(page.get_by_role("row").filter(has_text="By keyboard")).to_be_visible()


def test_enter_in_the_name_saves_and_never_publishes(
    site: Site, admin: Visitor, quest: Quest
) -> None:
    """B-7, W102: Enter presses the harmless button."""
    batch = site.make.batch([1, 2], quest)
    page = admin.page
    page.goto(f"/batches/{batch.id}")
    page.get_by_label("Name", exact=True).fill("Renamed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    assert site.batch(batch.id).draft
    assert site.batch(batch.id).name == "Renamed"


def test_escape_closes_a_window_and_the_focus_returns(
    site: Site, admin: Visitor, quest: Quest
) -> None:
    """W101: to the button that opened it, for the upload dialog and the deletion."""
    batch = site.make.batch([1, 2], quest)
    page = admin.page
    for opener in ("Upload", "Delete draft"):
        page.goto(f"/batches/{batch.id}")
        button = page.locator("main").get_by_text(opener, exact=True)
        button.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.wait_for_url(re.compile(rf"/batches/{batch.id}(#.*)?$"))
        expect(button).to_be_focused()
        button.click()
        expect(page.get_by_role("dialog")).to_be_visible()


def test_typing_in_the_members_search_filters_the_list(site: Site, admin: Visitor) -> None:
    """`/` is a letter while typing; the list follows the text, and the field keeps the focus."""
    page = admin.page
    page.goto("/members")
    page.get_by_role("searchbox", name="Search").focus()
    page.keyboard.type("Member777/")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("Member777/")
    expect(page.locator("#members")).to_contain_text("No members found")
    page.keyboard.press("Backspace")
    expect(page.locator("#members tbody tr").first).to_contain_text("Member777")
    expect(page).to_have_url(f"{site.url}/members?q=Member777")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()


def test_progress_is_announced_four_times(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-26: 25, 50, 75 and 100 %, each once and not at each poll, on the list and on the batch's page."""
    members = quiet.make.members(100, prefix=f"listener{next(quiet.people)}x")
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.clock.install()  # the page polls every second; the test needn't wait for it
    for place in ("/batches", "/batches/{}"):
        name = f"Heard {next(quiet.people)}"
        batch = quiet.make.batch(members, None, name)
        quiet.publish(batch.id)
        quiet.hold(batch.id)
        quiet.unlock(batch.id, 5)
        page.goto(place.format(batch.id))
        visitor.note_progress()
        shown = page.locator(f"[data-subject='{name}']")
        for number, percent in ((5, 10), (20, 30), (10, 40), (20, 60), (25, 85)):
            quiet.unlock(batch.id, number)
            page.clock.fast_forward(1_000)
            expect(shown).to_have_attribute("data-percent", str(percent))
        while quiet.unlock(batch.id, 100):
            pass
        page.clock.fast_forward(1_000)
        expect(shown.locator(".pill")).to_have_text("Published")
        page.wait_for_function("noted.said.length >= 4")
        assert visitor.noted("said") == [f"{name}: {mark}%" for mark in (25, 50, 75, 100)]
        assert quiet.read(lambda number=batch.id: drafts.get(number)).percent == 100
