"""An empty console, from the link in the terminal to the first award, by what is on the screen only (E-2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from tests.faults.console import await_
from webapp.domain.staff import first_admin
from webapp.transaction import transaction

PASSWORD = "twelve mossy laurels by the gate"
MEMBERS = b"ID;Username;Registered email\r\n1;ida;ida@example.org\r\n2;ole;ole@example.org\r\n"


@pytest.fixture
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A console without any data, with everything running."""
    site = Site("", tmp_path_factory.mktemp("new"))
    site.start_queue()
    site.start_worker()
    site.start_web()
    yield site
    site.stop()


def step(page: Page, name: str) -> None:
    """Take the step that Home offers first."""
    page.get_by_role("link", name="Home", exact=True).click()
    offered = page.get_by_role("region", name="First steps").locator(".primary")
    expect(offered).to_have_text(name)
    offered.click()


@pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "plain"])
def test_an_empty_console_is_walked_from_the_setup_link_to_the_first_award(
    new: Site, visit: Callable[..., Visitor], scripts: bool
) -> None:
    """Sign-in page, setup link, sign-in, import, badge, award, invitation: the checklist leads, then is gone."""
    look = judge if scripts else lambda _: None  # the accessibility check is a script
    visitor = visit(new, java_script_enabled=scripts)
    page = visitor.page
    page.goto("/")
    expect(page.get_by_text("Open the setup link that laurel start printed")).to_be_visible()
    look(visitor)
    with new.app.app_context(), transaction():
        key = first_admin.create_link(new.actor())
    page.goto(f"{first_admin.URL_PREFIX}{key}")
    look(visitor)
    page.get_by_label("Email").fill("ana@example.org")
    page.get_by_label("Name").fill("Ana")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("status").first).to_contain_text("Your account is ready.")
    page.get_by_label("Email").fill("ana@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("region", name="First steps")).to_contain_text("0 of 4")
    expect(page.get_by_role("link", name="Award Badge", exact=True)).to_have_count(0)
    look(visitor)

    step(page, "Import members")
    page.locator("input[type=file]").set_input_files(
        {"name": "members.csv", "mimeType": "text/csv", "buffer": MEMBERS}
    )
    if not scripts:  # with scripts, choosing a file is enough
        page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Preview changes").click()
    come(page, page.get_by_role("button", name="Import", exact=True), scripts)
    page.get_by_role("button", name="Import", exact=True).click()
    come(page, page.get_by_text("Import finished."), scripts)

    step(page, "Create a badge")
    page.get_by_label("Name", exact=True).first.fill("Helper")
    page.get_by_role("button", name="Create Badge").click()
    expect(page.get_by_role("heading", name="Helper").first).to_be_visible()

    step(page, "Award it")
    page.locator("details.picker > summary").first.click()
    page.get_by_label("Helper", exact=True).check()
    page.get_by_label("To", exact=True).fill("ida")
    page.get_by_role("button", name="Award", exact=True).click()
    expect(page.get_by_text("1 member", exact=False).first).to_be_visible()

    step(page, "Invite a colleague")
    page.get_by_label("Email").fill("eva@example.org")
    page.get_by_role("radio", name="Support").check()
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.get_by_role("heading", name="Invite link")).to_be_visible()
    page.get_by_role("link", name="Home", exact=True).click()
    expect(page.get_by_role("region", name="First steps")).to_have_count(0)
    expect(page.get_by_role("link", name="Award Badge", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Latest actions")).to_contain_text("Helper")
    assert not visitor.faults


def come(page: Page, what: Locator, scripts: bool) -> None:
    """Wait for what a worker brings about; without JavaScript by reloading the page."""
    if not scripts:
        await_(lambda: bool(page.reload()) and what.is_visible(), 30, "the worker is done")
    expect(what).to_be_visible()
