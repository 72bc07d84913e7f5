"""Fill a batch: one by one, from files in other encodings, from suggestions; download files (B-11 to B-39)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.files import csv
from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.models import Batch, Quest


def single(page: Page, batch: Batch) -> None:
    """Open a batch and choose `Single`."""
    page.goto(f"/batches/{batch.id}")
    page.get_by_role("radio", name="Single").check()
    expect(page.get_by_label("User ID or username")).to_be_visible()


def people(page: Page) -> list[str]:
    return page.locator("#members tbody a.strong").all_inner_texts()


def give(
    page: Page, batch: Batch, data: bytes, name: str = "members.csv", scripts: bool = True
) -> None:
    """Pass a file to the upload dialog. With JavaScript, choosing it is enough (E-8)."""
    page.goto(f"/batches/{batch.id}/upload")
    file = {"name": name, "mimeType": "text/csv", "buffer": data}
    page.locator("#upload input[type=file]").set_input_files(file)
    if not scripts:
        page.locator("#upload").get_by_role("button", name="Upload").click()


def test_usernames_while_typing(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-18, B-19: suggestions below the field, by keyboard only; Enter chooses, then adds; the list grows."""
    number = next(quiet.people)
    quiet.make.members(12, prefix=f"fam{number}x")
    batch = quiet.make.batch(None)
    visitor = visit(quiet).sign_in()
    page = visitor.page
    single(page, batch)
    field = page.get_by_label("User ID or username")
    field.press_sequentially(f"Fam{number}X", delay=20)
    options = page.get_by_role("option")
    expect(options).to_have_count(10)
    expect(field).to_have_attribute("aria-expanded", "true")
    judge(visitor)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "username-2")
    page.keyboard.press("Enter")
    expect(field).to_have_value(f"fam{number}x10")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text(f"fam{number}x10 added.")
    expect(field).to_have_value("")
    expect(field).to_be_focused()
    page.keyboard.type(f"fam{number}x3")
    expect(options).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(field).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(page.locator("#members tbody tr")).to_have_count(2)
    assert people(page) == [f"fam{number}x3", f"fam{number}x10"]
    page.keyboard.type(f"fam{number}x3")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#member-error")).to_have_text("This user is already in the batch.")
    expect(field).to_be_focused()
    judge(visitor)
    field.fill("nobody at all")
    page.keyboard.press("Enter")
    expect(page.locator("#member-error")).to_have_text("User was not found.")
    visitor.expected = ["422"]


def test_a_suggestion_is_clicked_and_an_id_gets_none(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """B-18: with a pointer; while typing an ID nothing is suggested, and the ID is added."""
    number = next(quiet.people)
    quiet.make.members(3, prefix=f"gil{number}x")
    batch = quiet.make.batch(None)
    visitor = visit(quiet).sign_in()
    page = visitor.page
    single(page, batch)
    field = page.get_by_label("User ID or username")
    field.press_sequentially(f"gil{number}x")
    page.get_by_role("option").nth(1).click()
    expect(field).to_have_value(f"gil{number}x2")
    expect(field).to_be_focused()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#members tbody tr")).to_have_count(1)
    page.get_by_role("radio", name="User ID").check()
    with page.expect_response("**/usernames?*"):
        field.press_sequentially(f"GIL{number}X3")
    expect(page.get_by_role("listbox")).to_be_hidden()
    field.press("Enter")
    expect(page.locator("#members tbody tr")).to_have_count(2)


@pytest.mark.parametrize("scripts", [True, False], ids=["JavaScript", "without"])
def test_adding_makes_the_draft(quiet: Site, visit: Callable[..., Visitor], scripts: bool) -> None:
    """B-7, B-19: `Add` on a new batch keeps the name, with and without JavaScript."""
    member = quiet.make.member()
    visitor = visit(quiet, java_script_enabled=scripts).sign_in()
    visitor.expected = ["422"]
    page = visitor.page
    page.goto("/batches/new")
    page.get_by_label("Name", exact=True).fill("Typed first")
    page.get_by_role("radio", name="Single").check()
    page.get_by_label("User ID or username").fill(member.username)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text(f"{member.username} added.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Typed first")
    expect(page.locator("#members tbody a.strong")).to_have_text([member.username])
    page.get_by_label("User ID or username").fill("nobody")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#member-error")).to_have_text("User was not found.")


def test_focus_after_a_removal(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """B-20: on the next row's button, after the last row on the previous one, else on the heading."""
    batch = quiet.make.batch(quiet.make.members(3, prefix=f"rem{next(quiet.people)}x"))
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto(f"/batches/{batch.id}")
    names = people(page)
    page.get_by_role("button", name=f"Remove {names[1]}").click()
    expect(page.get_by_role("button", name=f"Remove {names[2]}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Remove {names[0]}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Members")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False], ids=["JavaScript", "without"])
def test_the_encoding_is_picked(quiet: Site, visit: Callable[..., Visitor], scripts: bool) -> None:
    """B-11: sample lines in each encoding; one is chosen, and the preview states it."""
    number = next(quiet.people)
    quiet.make.member(f"Zdeněk{number}")
    batch = quiet.make.batch(None)
    visitor = visit(quiet, java_script_enabled=scripts).sign_in()
    page = visitor.page
    give(page, batch, f"Username\r\nZdeněk{number}\r\n".encode("cp1250"), "old.csv", scripts)
    window = page.get_by_role("dialog", name="Upload members")
    expect(window.get_by_role("radio")).not_to_have_count(0)
    expect(window.locator("input:checked")).to_have_count(0)
    if scripts:
        judge(visitor)
    window.get_by_label("Windows-1250").check()
    window.get_by_role("button", name="Continue").click()
    expect(page.locator("#preview")).to_contain_text("Windows-1250, header in row 1")
    expect(page.locator("#adding")).to_have_text("1 member will be added")
    page.get_by_role("link", name="Change encoding").click()
    expect(window.get_by_label("Windows-1250")).to_be_checked()


@pytest.mark.parametrize("scripts", [True, False], ids=["JavaScript", "without"])
def test_near_matches(quiet: Site, visit: Callable[..., Visitor], scripts: bool) -> None:
    """B-17, B-16: a choice moves the row and focus moves on; the second `Upload` adds the members."""
    number = next(quiet.people)
    for name in ("jonas", "petra"):
        quiet.make.member(f"{name}.weber{number}", name=f"{name.title()} Weber")
    batch = quiet.make.batch(None)
    visitor = visit(quiet, java_script_enabled=scripts).sign_in()
    page = visitor.page
    rows = (f";jonnas.weber{number};", f";pertra.weber{number};", ";zzzzzzzz;")
    give(page, batch, bytes(csv(*rows)["buffer"]), scripts=scripts)
    shown = page.get_by_role("link", name="With errors 3")
    expect(shown).to_have_attribute("aria-current", "page")
    expect(page.locator("#preview .rows tbody tr")).to_have_count(3)
    if scripts:
        judge(visitor)
    page.get_by_role("button", name=f"jonas.weber{number}").click()
    expect(page.get_by_role("link", name="With errors 2")).to_be_visible()
    expect(page.locator("#adding")).to_have_text("1 member will be added")
    petra = page.get_by_role("button", name=f"petra.weber{number}")
    if scripts:
        expect(petra).to_be_focused()
    petra.click()
    expect(page.locator("#adding")).to_have_text("2 members will be added")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download rows with errors").click()
    assert download.value.suggested_filename == f"batch-{batch.id}-errors.csv"
    page.locator("#upload").get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text("2 members added. 1 row with errors skipped.")).to_be_visible()


def test_results_are_downloaded_and_fed_back(site: Site, admin: Visitor, quest: Quest) -> None:
    """B-39: every entry is in the file; uploaded again, there is nothing to add."""
    batch = site.make.batch(
        site.make.members(3, prefix=f"res{next(site.people)}x"), quest, published=True
    )
    page = admin.page
    page.goto(f"/batches/{batch.id}")
    expect(page.locator(".batch-progress .pill")).to_have_text("Published", timeout=30_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download results").click()
    path = download.value.path()
    give(page, batch, path.read_bytes())
    expect(page.get_by_role("link", name="Already in the batch 3")).to_be_visible()
    expect(page.locator("#adding")).to_have_text("No members will be added")
