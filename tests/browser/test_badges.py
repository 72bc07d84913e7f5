"""Badges in a browser: create, switch the type, upload an image, edit quests, archive; with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.models import Badge, Role


@pytest.fixture
def badge(quiet: Site) -> Badge:
    """A badge with two quests, only for this test."""
    badge = quiet.make.badge(f"Mentor {next(quiet.people)}", icon="graduation-cap", shape="shield")
    quiet.make.quest("Took a newcomer by the hand", badge, position=0)
    quiet.make.quest("Took ten of them", badge, position=1)
    return badge


def picture(colour: str = "teal") -> FilePayload:
    made = BytesIO()
    Image.new("RGB", (300, 300), colour).save(made, "PNG")
    return FilePayload(name="art.png", mimeType="image/png", buffer=made.getvalue())


def said(page: Page, words: str) -> None:
    expect(page.get_by_role("status").first).to_contain_text(words)


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "plain"])
def test_a_badge_is_created_switched_and_awarded(
    quiet: Site, visit: Callable[..., Visitor], scripts: bool
) -> None:
    """M-1, M-2, M-3, M-15: from the overview to a member's profile, where an Automatic badge is awarded by hand."""
    name = f"Speaker {next(quiet.people)}"
    anna = quiet.make.member(f"speaker{next(quiet.people)}", name="Anna Brandt")
    visitor = visit(quiet, java_script_enabled=scripts).sign_in(Role.MANAGER)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto("/badges")
    page.get_by_role("link", name="Create Badge").first.click()
    page.get_by_role("button", name="Create Badge").click()
    expect(page.get_by_text("Enter a name.")).to_be_visible()
    page.wait_for_load_state()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("First quest").fill("Gave a talk")
    page.get_by_role("radio", name="Hexagon").check()
    page.get_by_role("radio", name="Violet").check()
    page.get_by_role("radio", name="Mic").check()
    if scripts:  # the preview
        expect(page.locator("#art-preview svg.art")).to_have_class(re.compile("hue-4"))
    page.get_by_role("button", name="Create Badge").click()
    said(page, "Badge created.")
    expect(page.locator(".head")).to_contain_text("Manual")

    page.get_by_role("link", name="Settings").click()
    page.get_by_role("radio", name="Automatic").check()
    page.get_by_role("button", name="Save").click()
    said(page, "Saved.")
    expect(page.locator(".head")).to_contain_text("Automatic")
    expect(page.locator("#history")).to_contain_text("switched to Automatic")

    page.goto(f"/members/{anna.id}")
    page.get_by_label("Badge", exact=True).select_option(label=name)
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.get_by_role("article")).to_contain_text("Gave a talk")
    page.goto("/badges?q=" + name)
    page.get_by_role("link", name=name).click()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("radio", name="Manual").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#badge-quests")).to_contain_text("1 holder")


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "plain"])
def test_an_image_is_uploaded_and_removed(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, scripts: bool
) -> None:
    """M-15: it is shown immediately; an invalid image gets an error next to the field."""
    visitor = visit(quiet, java_script_enabled=scripts).sign_in(Role.MANAGER)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/badges/{badge.id}/settings")
    file = page.locator("#image-file")
    fake = FilePayload(name="art.png", mimeType="image/png", buffer=b"<svg onload=alert(1)>")
    file.set_input_files(fake)
    page.get_by_role("button", name="Upload image").click()
    expect(page.get_by_text("This isn't a PNG, WebP or JPEG image.")).to_be_visible()
    file.set_input_files(picture())
    page.get_by_role("button", name="Upload image").click()
    said(page, "Image updated.")
    drawn = page.locator("#image img.art")
    expect(drawn).to_be_visible()
    if scripts:
        assert drawn.evaluate("image => image.decode().then(() => image.naturalWidth)") == 300
    page.goto(f"/badges?q={badge.name}")
    expect(page.locator("img.art")).to_be_visible()
    page.goto(f"/badges/{badge.id}/settings")
    page.get_by_role("button", name="Remove image").click()
    said(page, "Image removed.")
    expect(page.locator("#image img.art")).to_have_count(0)


def test_quests_are_edited_without_a_reload(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge
) -> None:
    """M-15: added, reordered, renamed, archived; focus is never lost."""
    visitor = visit(quiet).sign_in(Role.MANAGER)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/badges/{badge.id}")
    visitor.requests.clear()
    rows = page.locator("#badge-quests tbody tr")
    page.get_by_label("Add a quest").fill("took TEN of them")
    page.get_by_role("button", name="Add quest").click()
    expect(page.locator("#new-quest-error")).to_contain_text("already has a quest named")
    expect(page.get_by_label("Add a quest")).to_be_focused()
    page.get_by_label("Add a quest").fill("Took a hundred")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Quest “Took a hundred” added.")
    expect(rows).to_have_count(3)
    rows.last.get_by_role("button", name="Move up").click()
    expect(rows.nth(1)).to_contain_text("Took a hundred")
    rows.nth(1).get_by_role("link", name="Edit").click()
    window = page.get_by_role("dialog", name="Quest")
    expect(window.get_by_label("Name")).to_be_focused()
    window.get_by_label("Name").fill("")
    page.keyboard.press("Enter")
    expect(window.get_by_text("Enter a name.")).to_be_visible()
    window.get_by_label("Name").fill("Took a thousand")
    page.keyboard.press("Enter")
    expect(window).to_have_count(0)
    expect(rows.nth(1)).to_contain_text("Took a thousand")
    rows.nth(1).get_by_role("link", name="Edit").click()
    window.get_by_role("button", name="Archive quest").click()
    expect(window).to_have_count(0)
    expect(rows.nth(1)).to_contain_text("Archived")
    assert page.evaluate("document.activeElement !== document.body")
    assert visitor.asked(f"GET /badges/{badge.id}") == 0


def test_quests_are_edited_without_javascript(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge
) -> None:
    """M-15: with plain forms and pages."""
    page = visit(quiet, java_script_enabled=False).sign_in(Role.MANAGER).page
    page.goto(f"/badges/{badge.id}")
    page.get_by_label("Add a quest").fill("Third")
    page.get_by_role("button", name="Add quest").click()
    said(page, "Quest “Third” added.")
    rows = page.locator("#badge-quests tbody tr")
    rows.last.get_by_role("button", name="Move up").click()
    expect(rows.nth(1)).to_contain_text("Third")
    rows.nth(1).get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Archive quest").click()
    said(page, "Quest archived")
    rows.nth(1).get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="Restore").click()
    said(page, "Quest restored. It can be awarded again.")


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "plain"])
def test_a_badge_is_archived_and_restored(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, scripts: bool
) -> None:
    """M-15: the dialog asks for confirmation; existing awards stay visible."""
    anna = quiet.make.member(f"held{next(quiet.people)}")
    quiet.make.award(anna.id, quiet.make.quest("Third way", badge).id)
    visitor = visit(quiet, java_script_enabled=scripts).sign_in(Role.MANAGER)
    page = visitor.page
    page.goto(f"/badges/{badge.id}")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("link", name="Archive").click()
    window = page.get_by_role("dialog", name="Archive badge")
    expect(window).to_contain_text("1 member will keep it")
    window.get_by_role("button", name="Archive badge").click()
    said(page, "Badge archived")
    expect(page.get_by_role("link", name="Award Badge")).to_have_count(0)
    page.goto(f"/members/{anna.id}")
    expect(page.get_by_role("article")).to_contain_text(badge.name)
    assert page.locator("#quest").get_by_text(badge.name).count() == 0
    page.goto(f"/badges/{badge.id}")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name="Restore").click()
    said(page, "Badge restored. It can be awarded again.")


def test_search_follows_the_typing(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge
) -> None:
    """M-15: the URL contains the text, and Back removes it."""
    page = visit(quiet).sign_in(Role.SUPPORT).page
    page.goto("/badges")
    page.get_by_label("Search badges").focus()
    page.keyboard.type(badge.name.upper())
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=MENTOR"))
    page.reload()
    expect(page.get_by_role("article")).to_have_count(1)


def test_the_pages_are_accessible(quiet: Site, visit: Callable[..., Visitor], badge: Badge) -> None:
    """M-15: axe reports nothing, light or dark, wide or narrow, with an image too."""
    visitor = visit(quiet).sign_in(Role.ADMIN)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto("/badges/new")
    page.get_by_role("button", name="Create Badge").click()
    expect(page.get_by_text("Enter a name.")).to_be_visible()
    judge(visitor)
    page.goto(f"/badges/{badge.id}/settings")
    page.locator("#image-file").set_input_files(picture())
    page.get_by_role("button", name="Upload image").click()
    expect(page.locator("#image img.art")).to_be_visible()
    judge(visitor)
    page.goto(f"/badges/{badge.id}")
    judge(visitor)
    page.get_by_role("link", name="Edit").first.click()
    expect(page.get_by_role("dialog", name="Quest")).to_be_visible()
    judge(visitor)
    page.goto(f"/badges/{badge.id}/archiving")
    expect(page.get_by_role("dialog", name="Archive badge")).to_be_visible()
    judge(visitor)
