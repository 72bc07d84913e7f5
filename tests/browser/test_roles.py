"""Each role in a browser: allowed actions are on its pages; others are hidden, and their URLs give 403."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete

from tests.browser.site import PASSWORD, Site
from tests.browser.visitor import Visitor
from webapp.database import db
from webapp.models import Role, StaffSession
from webapp.transaction import transaction

AWARD, EDIT, BATCH, REVOKE = "Award Badge", "Create Badge", "Create Batch", "Revoke Badge"
DOORS = {
    Role.ADMIN: {AWARD, EDIT, BATCH, REVOKE},
    Role.DEV: {AWARD, EDIT, BATCH, REVOKE},
    Role.MANAGER: {AWARD, EDIT, REVOKE},
    Role.SUPPORT: {REVOKE},
}
BY_ADDRESS = {AWARD: "/badges/award", EDIT: "/badges/new", BATCH: "/batches/new"}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_finds_its_own_pages(quiet: Site, visit: Callable[..., Visitor], role: Role) -> None:
    """R-1, R-2: on the overview, the list of batches and a profile; other URLs give 403 and name the roles."""
    member = quiet.make.member(f"door{next(quiet.people)}")
    quiet.make.award(member.id, quiet.make.quest().id)
    visitor = visit(quiet).sign_in(role)
    visitor.expected = ["403"]
    page = visitor.page
    found = set()
    for path in ("/badges", "/batches", f"/members/{member.id}"):
        page.goto(path)
        found |= {
            name
            for name in DOORS[Role.ADMIN]
            if page.get_by_role("link", name=name, exact=True).count()
        }
    assert found == DOORS[role]
    for name, path in BY_ADDRESS.items():
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == (200 if name in DOORS[role] else 403), path
        if name not in DOORS[role]:
            expect(page.locator("main")).to_contain_text("can ")
            expect(page.locator("main")).to_contain_text("Only admins")
    page.goto("/audit-log")
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit log")


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "plain"])
def test_signed_out_people_return_to_their_input(
    quiet: Site, visit: Callable[..., Visitor], scripts: bool
) -> None:
    """R-2: a session that ends while creating a badge loses nothing; the requested page opens after sign-in."""
    visitor = visit(quiet, java_script_enabled=scripts)
    visitor.expected = ["401"]
    page = visitor.page
    email = quiet.account(Role.MANAGER)
    page.goto("/badges/new")
    visitor.fill_sign_in(email)
    expect(page.get_by_role("heading", level=1)).to_have_text("New Badge")
    name = f"Typed {next(quiet.people)}"
    with quiet.app.app_context(), transaction():
        db.session.execute(delete(StaffSession))
    if scripts:  # the preview that follows the name gets a 401, and that doesn't navigate away from the input
        with page.expect_response("**/badges/art?*"):
            page.get_by_label("Name", exact=True).fill(name)
        expect(
            page.get_by_text("You've been signed out. What you typed is still here")
        ).to_be_visible()
        expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    else:
        page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create Badge").click()
    page.wait_for_url("**/sign-in**")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Nothing has been saved yet.")).to_be_visible()
    page.get_by_role("button", name="Save now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
