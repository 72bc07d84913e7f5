"""No page is wider than its window, whatever the names, on a desktop and on a phone; a theme changes only colors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.hostile import Hostile, name, raise_if_any
from tests.browser.test_accessibility import DESK, PHONE
from tests.browser.visitor import Visitor
from webapp.models import Role

STYLES = sorted((Path(__file__).parents[2] / "static" / "css").glob("*.css"))

# Elements outside the window, their card or their cell. Scrollable ones are checked as a whole: on a phone a
# table or a file's preview may scroll sideways, on a desktop only what is marked `free`.
TOO_WIDE = """
(narrow) => {
  const root = document.scrollingElement, free = narrow ? ".scroll, .tabs, pre" : ".tabs, pre";
  const found = [], frames = ".card, .dialog, .side, .note, .toast, .options, td";
  const say = (what, { localName, id, className, textContent }) => {
    const words = textContent.trim().replace(/\\s+/g, " ").slice(0, 60);
    found.push(`${what}: <${localName} id="${id}" class="${className}"> ${words}`);
  };
  const over = root.scrollWidth - root.clientWidth;
  if (over > 0) found.push(`the page is ${over} px too wide`);
  const outermost = document.querySelector("dialog:modal") ?? document.body;
  for (const one of outermost.querySelectorAll("*")) {
    if (!one.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (one.closest(".visually-hidden, .skip, svg *, option, .menu, thead")) continue;
    const box = one.getBoundingClientRect(), scrolls = one.closest(free);
    if (!box.width || !box.height || (scrolls && scrolls !== one)) continue;
    if (box.right > root.clientWidth + 1 || box.left < -1) say("outside the window", one);
    const frame = one.parentElement.closest(frames)?.getBoundingClientRect();
    if (frame && (box.right > frame.right + 1 || box.left < frame.left - 1)) say("outside what it is in", one);
    const table = one.matches(".scroll") && !one.matches(free);
    if (table && one.scrollWidth > one.clientWidth + 1) say("a table is too wide", one);
  }
  return found.slice(0, 8);
}
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    made = raise_if_any(tmp_path_factory.mktemp("hostile"))
    yield made
    made.site.stop()


def too_wide(page: Page, *, then_desk: bool = True) -> list[str]:
    """The elements that don't fit on a desktop and on a phone.

    Begins with the current size, because each change makes Chromium draw the page again.
    """
    found = []
    page.emulate_media(reduced_motion="reduce")
    for size in (PHONE, DESK) if page.viewport_size == PHONE else (DESK, PHONE):
        page.set_viewport_size(size)
        found += [f"{size['width']} px, {what}" for what in page.evaluate(TOO_WIDE, size is PHONE)]
    if then_desk:
        page.set_viewport_size(DESK)
    return found


def test_a_theme_changes_only_colors() -> None:
    """The style sheets know the theme only through `light-dark()`, which takes nothing but colors."""
    styles = "".join(path.read_text(encoding="utf-8") for path in STYLES)
    assert "light-dark(" in styles
    assert "prefers-color-scheme" not in styles
    chosen = re.findall(r"\[data-theme=\S+ \{(.*?)\}", styles)
    assert chosen == [" color-scheme: light; ", " color-scheme: dark; "]
    assert len(re.findall("data-theme", styles)) == len(chosen)


def test_every_page_and_window_fits_its_window(
    hostile: Hostile, visit: Callable[..., Visitor]
) -> None:
    """Names of badges, quests, batches, members, staff, keys and webhooks are as long as possible."""
    visitor = visit(hostile.site).sign_in()
    visitor.expected = ["404"]
    wrong = {}
    for what, path in hostile.pages().items():
        visitor.page.goto(path)
        if found := too_wide(visitor.page, then_desk=False):
            wrong[what] = found
    assert not wrong, "\n".join(f"{what}\n  " + "\n  ".join(found) for what, found in wrong.items())


def test_signed_out_pages_fit(hostile: Hostile, visit: Callable[..., Visitor]) -> None:
    """Signing in with a long email, a link, an expired link, and pages that don't exist."""
    visitor = visit(hostile.site)
    visitor.expected = ["404", "410", "422"]
    page = visitor.page
    page.goto("/sign-in")
    assert too_wide(page) == []
    page.get_by_label("Email").fill("w" * 60 + "@" + "long." * 30 + "org")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert too_wide(page) == []
    for path in (f"/welcome/{hostile.welcome}", "/welcome/nothing", "/nowhere/" + "W" * 120):
        page.goto(path)
        assert too_wide(page) == [], path


def test_popups_of_a_page_fit(hostile: Hostile, visit: Callable[..., Visitor]) -> None:
    """Pickers with a selection, suggestions, unknown usernames, messages, fields with errors."""
    visitor = visit(hostile.site).sign_in()
    visitor.expected = ["422"]
    mapping = hostile.pages()["connection, badges"]
    for path in ("/batches/new", "/batches", "/badges/award", "/audit-log", mapping):
        page = visitor.fresh(path)
        picker = page.locator("details.picker").last
        picker.locator("summary").first.click()
        for inner in picker.locator("details").all():
            inner.evaluate("(one) => (one.open = true)")
        assert too_wide(page) == [], path
        picker.locator("input[name]").last.evaluate("(one) => one.click()")
        assert too_wide(page) == [], f"{path}, chosen"

    page = visitor.fresh(hostile.pages()["preview, all"])
    page.get_by_text("Match columns").click()
    page.locator("#columns").wait_for()
    assert too_wide(page) == []

    page = visitor.fresh(f"/badges/award?quest={hostile.quest.id}")
    names = [name(place, 189)[:-1] + "X" + str(place) for place in range(6)]
    page.get_by_label("To", exact=True).fill("\n".join(names))
    page.get_by_role("button", name="Award", exact=True).click()
    page.locator("#unknown").wait_for()
    assert too_wide(page) == []

    page = visitor.fresh(f"/batches/{hostile.batches['bare'].id}")
    page.get_by_role("radio", name="Single").check()
    page.get_by_label("User ID or username").press_sequentially("WWW")
    page.locator("#usernames li").first.wait_for()
    assert too_wide(page) == []

    page = visitor.fresh(f"/members/{hostile.member.id}")
    page.get_by_role("link", name="Revoke Badge").last.click()
    page.get_by_role("dialog").wait_for()
    assert too_wide(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Revoke Badge").click()
    page.locator("#toasts .toast").wait_for()
    assert too_wide(page) == []


def test_no_table_widens_its_page_without_javascript(
    hostile: Hostile, visit: Callable[..., Visitor]
) -> None:
    """Times are then written out in full; the last column is still visible."""
    visitor = visit(hostile.site, java_script_enabled=False).sign_in()
    wrong = {}
    for what, path in hostile.pages().items():
        if "no such" in what:
            continue
        visitor.page.goto(path)
        if found := too_wide(visitor.page, then_desk=False):
            wrong[what] = found
    assert not wrong, "\n".join(f"{what}\n  " + "\n  ".join(found) for what, found in wrong.items())


@pytest.mark.parametrize("role", list(Role))
def test_the_sidebar_says_the_whole_role(
    hostile: Hostile, visit: Callable[..., Visitor], role: Role
) -> None:
    """R-1: even `Community manager` is not truncated."""
    page = visit(hostile.site).sign_in(role).page
    page.goto("/badges")
    shown = page.locator(".current-user .muted")
    assert shown.inner_text() == role.label
    assert shown.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0
    style = shown.evaluate("(one) => getComputedStyle(one).whiteSpace")
    assert style == "normal"


def test_every_page_is_covered(hostile: Hostile) -> None:
    """A new page must be added to `Hostile.pages`, or here with the reason for its absence."""
    elsewhere = {
        "start",  # links to another page
        "audit_log.old_address",  # redirects
        "security.login",
        "security.code",
        "security.typed",
        "remote_user.begin",
        "sso.begin",
        "sso.callback",
        "sso.confirm",
        "sso.front_channel_logout",
        "welcome.enter",
        "setup.enter",  # in an empty console
        "staff.link",  # shown once, after a link was created
        "staff.factor_removal",  # of someone with two-factor authentication
        "account.removal_window",
        "help.picture",  # a screenshot
        "members.several_batches",  # of more members than a batch can have
    }
    parts = re.compile(
        r"\.(csv|webp|png|json|php)$|/credential\.|^/credentials/|^/api/v1|^/(static|healthz|readyz|metrics)"
        r"|/(progress|visibility|row|usernames|art|done|suggestions|results)$"
    )
    adapter = hostile.site.app.url_map.bind("localhost")
    seen = {
        adapter.match(path.partition("?")[0])[0]
        for what, path in hostile.pages().items()
        if "no such" not in what
    }
    rules = hostile.site.app.url_map.iter_rules()
    pages = {
        one.endpoint for one in rules if "GET" in (one.methods or ()) and not parts.search(one.rule)
    }
    assert pages - seen - elsewhere == set()
