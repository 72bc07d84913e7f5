"""axe-core reports nothing at WCAG 2.2 AA on any page or dialog, light or dark; no page is wider than a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.browser.files import csv
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from webapp.domain.credentials import issuer, sharing
from webapp.models import Batch, Member, Quest, Role
from webapp.transaction import transaction

RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
# Rules that depend on colors and sizes; all others give the same result for every theme and window.
AT_SIGHT = {
    "type": "rule",
    "values": [
        "color-contrast",
        "link-in-text-block",
        "scrollable-region-focusable",
        "target-size",
    ],
}
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
# Messages are checked before they fade out, everything else after animations have ended.
SETTLED = """
() => {
  for (const moving of document.getAnimations()) {
    if (moving.animationName === "leave") moving.cancel();
    else if (Number.isFinite(moving.effect.getComputedTiming().endTime)) moving.finish();
  }
}
"""
VIOLATIONS = """
(rules) => axe.run(document, { runOnly: rules, resultTypes: ["violations"] }).then(({ violations }) =>
  violations.flatMap(({ id, nodes }) => nodes.map((node) =>
    `${id} at ${node.target}: ${node.html.slice(0, 200)} (${node.failureSummary})`)))
"""


def judge(visitor: Visitor) -> None:
    """Check the current page: dark on a desktop, the visual rules in light on a phone, and its width there."""
    page = visitor.page
    page.wait_for_load_state()
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    for theme, size, rules in (("dark", DESK, RULES), ("light", PHONE, AT_SIGHT)):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size(size)
        page.evaluate(SETTLED)
        found = page.evaluate(VIOLATIONS, rules)
        assert not found, f"{page.url}, {theme}, {size['width']} px:\n" + "\n".join(found)
    assert visitor.overflow() <= 0, f"{page.url} is wider than a phone"
    page.set_viewport_size(DESK)


@dataclass
class Scene:
    """The content of the console that is checked."""

    site: Site
    member: Member
    quest: Quest
    batches: dict[str, Batch]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Batches in every state, and a member with a badge, in an otherwise empty console: axe is slow on large pages."""
    site = Site("", tmp_path_factory.mktemp("scene"))
    site.start_web()
    make = site.make
    badge = make.badge("Helper", description="For answering what others ask.", icon="heart")
    quest = make.quest("Answered 50 questions", badge)
    make.quest("Answered 500 questions", badge)
    make.badge("Empty", automatic=True)
    make.badge("Old", archived_at=badge.created_at)
    members = make.members(60, prefix="reader")
    lost = make.member("lost", name="Lost Person", status="left")
    make.award(members[0], quest.id, reason="for the winter fair")
    batches = {
        "draft": make.batch(members[:30], quest, "Draft of many"),
        "bare": make.batch(None, quest, "Draft without members"),
        "running": make.batch(members, quest, "Running", published=True),
        "finished": make.batch([*members[:30], lost.id], quest, "Finished", published=True),
    }
    site.hold(batches["finished"].id)
    while site.unlock(batches["finished"].id, 100):
        pass
    site.hold(batches["running"].id)
    site.unlock(batches["running"].id, 20)
    member = make.member("anna", name="Anna Novák")
    make.award(member.id, quest.id)
    yield Scene(site, member, quest, batches)
    site.stop()


def test_signed_out_pages(scene: Scene, visit: Callable[..., Visitor]) -> None:
    """The sign-in page, initially and with an error."""
    visitor = visit(scene.site)
    visitor.expected = ["422"]
    visitor.page.goto("/sign-in")
    judge(visitor)
    visitor.page.get_by_label("Email").fill("nobody@example.org")
    visitor.page.get_by_label("Password").fill("not the password at all")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("alert")).to_have_text("Incorrect email or password.")
    judge(visitor)


def test_an_empty_console(chromium: object, visit: Callable[..., Visitor], empty: Site) -> None:
    """Every list before it has any content."""
    visitor = visit(empty).sign_in()
    for path in ("/", "/badges", "/batches", "/batches?tab=drafts", "/batches/new", "/members"):
        visitor.page.goto(path)
        judge(visitor)


@pytest.fixture
def empty(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A console without data."""
    site = Site("", tmp_path_factory.mktemp("empty"))
    site.start_web()
    yield site
    site.stop()


def test_pages(scene: Scene, visit: Callable[..., Visitor]) -> None:
    """Home, badges, batches, members, a profile, and a 404."""
    visitor = visit(scene.site).sign_in()
    visitor.expected = ["404"]
    ids = {name: batch.id for name, batch in scene.batches.items()}
    paths = [
        "/",
        "/badges",
        f"/badges/{scene.quest.badge_id}",
        "/batches",
        "/batches?tab=drafts",
        "/batches/new",
        *(f"/batches/{number}" for number in ids.values()),
        f"/batches/{ids['finished']}?status=Error",
        "/members",
        "/members?q=nobody",
        f"/members/{scene.member.id}",
        "/nowhere",
    ]
    for path in paths:
        visitor.page.goto(path)
        judge(visitor)


def test_pages_outside_the_console(scene: Scene, visit: Callable[..., Visitor]) -> None:
    """OB-2, OB-3: a member's page before and after sharing, the public badge, and each result of `/verify`."""
    with scene.site.app.app_context():
        with transaction():
            issuer.turn_on(scene.site.actor())
        path = sharing.PageUrls("").of([scene.member.id])[scene.member.id]
    visitor = visit(scene.site)
    visitor.expected = ["404", "422"]
    page = visitor.page
    page.goto(path)
    judge_everywhere(visitor)
    page.get_by_role("radio", name="My username").check()
    page.get_by_role("button", name="Share this badge").click()
    expect(page.get_by_text("Public link")).to_be_visible()
    judge_everywhere(visitor)
    with page.expect_download() as saved:
        page.get_by_role("button", name="PNG").click()
    # The link has the console's public address, and the visitor another one.
    link = page.get_by_role("link", name="/badges/").get_attribute("href") or ""
    page.goto("/badges/" + link.partition("/badges/")[2])
    expect(page.get_by_text("Awarded to anna")).to_be_visible()
    judge_everywhere(visitor)
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("heading", name="Genuine")).to_be_visible()
    judge_everywhere(visitor)
    page.locator("#file").set_input_files(saved.value.path())
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("heading", name="Genuine")).to_be_visible()
    page.locator("#credential").fill("nothing")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("alert")).to_be_visible()
    judge_everywhere(visitor)
    page.goto("/m/1-gone")
    judge_everywhere(visitor)


def judge_everywhere(visitor: Visitor) -> None:
    """Check the current page wide and narrow, light and dark."""
    judge(visitor)
    visitor.page.evaluate(SETTLED)
    for theme, size in (("light", DESK), ("dark", PHONE)):
        visitor.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        visitor.page.set_viewport_size(size)
        found = visitor.page.evaluate(VIOLATIONS, AT_SIGHT)
        assert not found, f"{visitor.page.url}, {theme}, {size['width']} px:\n" + "\n".join(found)
    visitor.page.set_viewport_size(DESK)


def test_windows_and_menus(scene: Scene, visit: Callable[..., Visitor]) -> None:
    """The upload dialog, a rejected file, a preview with errors, the deletion, the menus, fields with errors."""
    visitor = visit(scene.site).sign_in()
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/batches/{scene.batches['bare'].id}")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    judge(visitor)
    window = page.get_by_role("dialog")
    window.get_by_role("button", name="Upload").click()
    expect(window.get_by_role("alert")).to_have_text("Choose a .csv file first.")
    judge(visitor)
    rows = ["READER1;;", "READER2;reader3;", "READER1;;", "NOBODY;;", *("READER9;;",) * 30]
    window.locator("input[type=file]").set_input_files(csv(*rows))
    expect(page.locator("#preview .rows tbody tr")).to_have_count(2)
    judge(visitor)
    page.get_by_role("navigation", name="Rows").get_by_role("link", name="All").click()
    expect(page.locator("#preview .rows tbody tr")).to_have_count(25)
    judge(visitor)

    page.goto(f"/batches/{scene.batches['draft'].id}")
    page.get_by_role("link", name="Delete draft").click()
    expect(page.get_by_role("dialog", name="Delete draft")).to_be_visible()
    judge(visitor)

    page.goto("/batches/new")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("alert").filter(visible=True).first).to_be_visible()
    judge(visitor)
    page.goto("/badges")
    page.get_by_role("button", name="More actions").click()
    expect(page.locator("#badges-menu")).to_be_visible()
    judge(visitor)
    _judge_phone_menu(visitor, page)


def _judge_phone_menu(visitor: Visitor, page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.goto("/badges")
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Members")).to_be_visible()
    page.evaluate(AXE_SCRIPT)
    assert page.evaluate(VIOLATIONS, RULES) == []


def test_a_role_without_access_gets_accessible_pages(
    scene: Scene, visit: Callable[..., Visitor]
) -> None:
    """R-2: a batch as Support sees it, and the 403 page that names the roles with access."""
    visitor = visit(scene.site).sign_in(Role.SUPPORT)
    visitor.expected = ["403"]
    for path in ("/batches", f"/batches/{scene.batches['finished'].id}", "/batches/new"):
        visitor.page.goto(path)
        expect(visitor.page.locator(".current-user .muted")).to_have_text("Support")
        judge(visitor)


def test_a_broken_console(visit: Callable[..., Visitor], empty: Site) -> None:
    """The error page, when the database is unreachable."""
    visitor = visit(empty).sign_in()
    visitor.expected = ["503", "500"]
    for path in empty.folder.glob("laurel.sqlite*"):
        path.write_bytes(b"this is no database" * 1000)
    answer = visitor.page.goto("/badges")
    assert answer is not None
    assert answer.status >= 500
    judge(visitor)
