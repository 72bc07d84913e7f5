"""The number of clicks that everyday work takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.files import csv
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from webapp.domain.badges import quests
from webapp.models import Badge, Member, Role

# Counts presses of the mouse button, across pages.
COUNT = "document.addEventListener('pointerdown', () => pressed(), true);"


class Clicks:
    def __init__(self, visitor: Visitor) -> None:
        self.number = 0
        visitor.context.expose_binding("pressed", lambda _: self.add())
        visitor.context.add_init_script(COUNT)

    def add(self) -> None:
        self.number += 1


def drop(page: Page, path: Path, x: int, y: int, let_go: bool = True) -> None:
    """Drag a file over the page to a point, and drop it there, as the operating system does."""
    tab = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "dragOver", "drop")[: 4 if let_go else 3]:
        tab.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})


@pytest.fixture
def members(quiet: Site) -> list[Member]:
    number = next(quiet.people)
    return [quiet.make.member(f"click{number}x{n}") for n in range(3)]


@pytest.fixture
def badge(quiet: Site) -> Badge:
    """A badge with one quest."""
    badge = quiet.make.badge(f"Meetup {next(quiet.people)}")
    quiet.make.quest("Came along", badge)
    return badge


@pytest.fixture
def file(members: list[Member], tmp_path: Path) -> Path:
    path = tmp_path / "members.csv"
    path.write_bytes(bytes(csv(*(f";{one.username};" for one in members))["buffer"]))
    return path


def test_a_batch_from_a_file(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, file: Path
) -> None:
    """E-8: seven clicks from the list of batches; six if the file is dropped on the page."""
    visitor = visit(quiet).sign_in(Role.DEV)
    clicks, page = Clicks(visitor), visitor.page
    for number, upload in ((7, True), (6, False)):
        clicks.number = 0
        page.goto("/batches")
        page.get_by_role("link", name="Create Batch").first.click()
        page.get_by_label("Name", exact=True).press_sequentially("Summer fair")
        visitor.choose_badge(badge.name)
        if upload:
            page.get_by_role("button", name="Upload", exact=True).click()
            expect(page.get_by_role("dialog", name="Upload members")).to_be_visible()
        drop(page, file, 300, 400)
        expect(page.locator("#adding")).to_have_text("3 members will be added")
        page.get_by_role("dialog").get_by_role("button", name="Upload", exact=True).click()
        expect(page.get_by_role("status").first).to_contain_text("3 members added.")
        expect(page.get_by_label("Name", exact=True)).to_have_value("Summer fair")
        visitor.publish()
        assert clicks.number == number
        assert not visitor.questions


def test_an_award_on_a_profile(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, members: list[Member]
) -> None:
    """M-4: three clicks, two of them in the drop-down."""
    visitor = visit(quiet).sign_in(Role.MANAGER)
    clicks, page = Clicks(visitor), visitor.page
    page.goto(f"/members/{members[0].id}")
    choice = page.get_by_label("Badge", exact=True)
    choice.click()
    choice.select_option(label=badge.name)  # the browser's own list, whose click no page sees
    clicks.add()
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.get_by_role("article")).to_contain_text(badge.name)
    assert clicks.number == 3


def test_a_group_award(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, members: list[Member]
) -> None:
    """M-7: four clicks from the overview."""
    visitor = visit(quiet).sign_in(Role.MANAGER)
    clicks, page = Clicks(visitor), visitor.page
    page.goto("/badges")
    page.get_by_role("link", name="Award Badge").click()
    visitor.choose_badge(badge.name)
    page.keyboard.press("Tab")
    page.keyboard.type(", ".join(one.username for one in members))
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.get_by_role("main").get_by_role("status").first).to_contain_text("3 members")
    assert clicks.number == 4


def test_revoking_a_badge_found_by_search(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, members: list[Member]
) -> None:
    """E-3, M-5: from any page: the member found by keyboard, then three clicks, one of them for the reason."""
    quest = quiet.read(lambda: next(of[0] for one, of in quests.choices() if one.id == badge.id))
    quiet.make.award(members[0].id, quest.id)
    visitor = visit(quiet).sign_in(Role.SUPPORT)
    clicks, page = Clicks(visitor), visitor.page
    page.goto("/insights")
    page.keyboard.press("/")
    page.keyboard.type(members[0].username)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Revoke Badge").click()
    window = page.get_by_role("dialog", name="Revoke Badge")
    window.get_by_label("Reason").click()
    page.keyboard.type("By mistake")
    window.get_by_role("button", name="Revoke Badge").click()
    expect(page.locator("#toasts")).to_contain_text("revoked.")
    assert clicks.number == 3


def test_who_holds_a_badge(
    quiet: Site, visit: Callable[..., Visitor], badge: Badge, members: list[Member]
) -> None:
    """E-4: one click from the overview."""
    quest = quiet.read(lambda: next(of[0] for one, of in quests.choices() if one.id == badge.id))
    quiet.make.award(members[1].id, quest.id)
    visitor = visit(quiet).sign_in(Role.SUPPORT)
    clicks, page = Clicks(visitor), visitor.page
    page.goto("/badges")
    card = page.get_by_role("article").filter(has_text=badge.name)
    card.get_by_role("link", name="1 holder").click()
    expect(page.locator("#holder-list")).to_contain_text(members[1].username)
    assert clicks.number == 1


def test_a_dragged_file_shows_where_it_goes(
    quiet: Site, visit: Callable[..., Visitor], file: Path
) -> None:
    """E-8: a target covers a draft's page while dragging; elsewhere a dropped file is ignored."""
    visitor = visit(quiet).sign_in()
    page = visitor.page
    page.goto(f"/batches/{quiet.make.batch(None).id}")
    target = page.get_by_text("Drop a .csv file to upload it to this batch")
    expect(target).to_be_hidden()
    drop(page, file, 40, 40, let_go=False)
    expect(target).to_be_visible()
    page.evaluate("document.dispatchEvent(new DragEvent('dragleave'))")  # it left the window
    expect(target).to_be_hidden()
    page.goto("/badges")
    drop(page, file, 300, 400)
    expect(page).to_have_url(f"{quiet.url}/badges")
