"""Focus after opening a dialog, and after a form with errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.hostile import Hostile, raise_if_any
from tests.browser.visitor import Visitor

# The fields of the front dialog in order, each by its accessible name.
FIELDS = """
() => {
  const called = (one) => one.labels?.[0]?.textContent.trim() || one.ariaLabel || one.textContent.trim();
  const window = document.querySelector("dialog:modal");
  const fields = [...window.querySelectorAll("summary.input, input, select, textarea")].filter((one) =>
    one.type !== "hidden" && one.checkVisibility() && !one.disabled);
  const at = document.activeElement;
  return { fields: fields.map(called), focus: at === window ? "" : called(at) };
}
"""
# Dialogs with fields; all others only ask, and get focus as a whole.
FIRST = {
    "quest": "Name",
    "quest, archived": "Name",
    "member, revocation": "Reason",
    "member, status": "Active",
    "batch, upload": "Choose a .csv file or drag it here",
}
ASKING = (
    "badge, archiving",
    "member, erasure",
    "batch, deletion",
    "batch, publication",
    "batch, dismissal",
    "batch, halt",
    "API key, revocation",
    "webhook, removal",
    "webhook, secret",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    made = raise_if_any(tmp_path_factory.mktemp("focus"))
    yield made
    made.site.stop()


def focus(page: Page) -> tuple[list[str], str]:
    """The fields of the front dialog, and the focused one; "" is the dialog itself."""
    page.locator("dialog:modal").wait_for()
    found = page.evaluate(FIELDS)
    return found["fields"], found["focus"]


def test_a_window_begins_in_its_first_field(
    hostile: Hostile, visit: Callable[..., Visitor]
) -> None:
    page = visit(hostile.site).sign_in().page
    paths = hostile.pages()
    for what in (*FIRST, *ASKING):
        page.goto(paths[what])
        fields, at = focus(page)
        wanted = FIRST.get(what) or (fields[0] if fields else "")
        assert at.startswith(wanted), (
            f"{what}: the focus is on {at!r}, not on {wanted!r} of {fields}"
        )
        assert fields or not at, what


def test_the_award_window_begins_with_the_badge(
    hostile: Hostile, visit: Callable[..., Visitor]
) -> None:
    """M-7: opened by its button; the picker is closed, and still comes first."""
    page = visit(hostile.site).sign_in().page
    page.goto("/badges")
    page.get_by_role("link", name="Award Badge").click()
    fields, at = focus(page)
    assert at == fields[0] == "Badge: Choose a badge"


def test_a_rejected_form_focuses_its_first_error(
    hostile: Hostile, visit: Callable[..., Visitor]
) -> None:
    """Fields, pickers and groups of checkboxes, in dialogs and on pages."""
    visitor = visit(hostile.site).sign_in()
    visitor.expected = ["422"]
    page = visitor.fresh("/badges")
    page.get_by_role("link", name="Award Badge").click()
    page.get_by_role("dialog").get_by_role("button", name="Award", exact=True).click()
    page.locator("#quest-error").filter(visible=True).wait_for()
    assert focus(page)[1] == "Badge: Choose a badge"

    page = visitor.fresh("/settings/api-keys/new")
    page.get_by_label("Name").fill("a name")
    page.get_by_role("button", name="Create key").click()
    page.locator("#scopes-error").filter(visible=True).wait_for()
    assert page.evaluate("document.activeElement.name") == "scopes"

    page = visitor.fresh(f"/members/{hostile.member.id}")
    page.get_by_role("button", name="Award", exact=True).click()
    page.locator("#quest-error").filter(visible=True).wait_for()
    assert page.evaluate("document.activeElement.id") == "quest"

    page = visitor.fresh("/batches/new")
    page.get_by_label("Name", exact=True).fill("a name")
    page.get_by_role("button", name="Publish").click()
    page.locator("#quest-error").filter(visible=True).wait_for()
    assert visitor.focused() == "Badge: Choose a badge"
    assert visitor.focus_shows()
