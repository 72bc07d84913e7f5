"""R-4 in a browser: ten minutes after signing in, changing access asks for the password first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from tests.browser.site import PASSWORD, Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.models import Origin, Role, StaffSession
from webapp.transaction import transaction


def test_asked_by_htmx_the_question_is_a_window(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """R-4: over the unchanged page; the answer is sent as a plain form."""
    number = next(quiet.people)
    sam = quiet.make.staff(Role.SUPPORT, name=f"Sam {number}", password="a hash")
    visitor = visit(quiet).sign_in(Role.ADMIN)
    page = visitor.page
    page.goto(f"/settings/staff/{sam.id}")
    late = quiet.actor().at - timedelta(minutes=11)
    with quiet.app.app_context(), transaction():
        db.session.execute(update(StaffSession).values(confirmed_at=late))
    page.evaluate(
        """(path) => htmx.ajax("POST", path, {
          values: { role: "dev" }, source: document.querySelector("#main"), target: "#main" })""",
        f"/settings/staff/{sam.id}/role",
    )
    window = page.get_by_role("dialog", name="Confirm it's you")
    expect(window.get_by_label("Password")).to_be_focused()
    judge(visitor)
    window.get_by_label("Password").fill(PASSWORD)
    window.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("status").first).to_have_text(f"Sam {number} now has the role Dev.")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
def test_a_change_of_role_asks_for_the_password_and_is_done(
    quiet: Site, visit: Callable[..., Visitor], scripts: bool
) -> None:
    """R-4, A-3: nothing is typed again; a smaller role lists the person's keys; then ten minutes without asking."""
    number = next(quiet.people)
    sam = quiet.make.staff(Role.DEV, name=f"Sam {number}", password="a hash")
    at = quiet.actor().at
    with quiet.app.app_context(), transaction():
        api_keys.create(f"Bot {number}", ["badges:read"], None, Actor(at, Origin.CONSOLE, sam))
    visitor = visit(quiet, java_script_enabled=scripts).sign_in(Role.ADMIN)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto(f"/settings/staff/{sam.id}")
    with quiet.app.app_context(), transaction():
        db.session.execute(update(StaffSession).values(confirmed_at=at - timedelta(minutes=11)))
    page.get_by_role("radio", name="Support").check()
    page.get_by_role("button", name="Change role").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it's you")
    expect(page.get_by_label("Password")).to_be_focused()
    expect(page.get_by_role("main")).to_contain_text(f"Sam {number}")
    expect(page.get_by_role("main")).to_contain_text("Support")
    if scripts:
        judge(visitor)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_have_text("Incorrect password.")
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    window = page.get_by_role("dialog", name="Change role")
    expect(window.get_by_role("checkbox", name=f"Revoke Bot {number}")).to_be_checked()
    if scripts:
        judge(visitor)
    window.get_by_role("button", name="Change role").click()
    expect(page.get_by_role("status").first).to_have_text(f"Sam {number} now has the role Support.")
    with quiet.app.app_context():
        assert api_keys.created_by(sam.id, at) == []
    page.get_by_role("radio", name="Dev").check()
    page.get_by_role("button", name="Change role").click()
    expect(page.get_by_role("status").first).to_have_text(f"Sam {number} now has the role Dev.")
