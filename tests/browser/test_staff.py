"""R-3 and R-4 in a browser: invited, secured, disabled and enabled again; with JavaScript and without."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import PASSWORD, Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from webapp.domain.staff import two_factor
from webapp.models import Role
from webapp.transaction import transaction

STEP = two_factor.STEP


@pytest.fixture
def newcomer(quiet: Site) -> str:
    """An unused email address."""
    return f"zoe{next(quiet.people)}@example.org"


def invite(page: Page, email: str, role: str, name: str = "Zoë Winter") -> str:
    """Invite someone on the pages; return the path of their link."""
    page.goto("/settings/staff")
    page.get_by_role("link", name="Invite").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Name").fill(name)
    page.get_by_role("radio", name=role).check()
    page.get_by_role("button", name="Invite").click()
    link = page.get_by_label("Link").input_value()
    assert "/welcome/" in link
    return "/welcome/" + link.rpartition("/")[2]


def choose(page: Page, link: str) -> None:
    """Open a link and choose a password."""
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("status").first).to_have_text("Password set. You can now sign in.")


def sign_in(page: Page, email: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def set_up(page: Page) -> pyotp.TOTP:
    """From the page `Two-factor authentication` to the recovery codes; return the app."""
    page.get_by_role("button", name="Set up").click()
    app = pyotp.TOTP(page.locator("code.key").inner_text())
    page.get_by_label("Enter the 6-digit code").fill(app.now())
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return app


def next_code(app: pyotp.TOTP) -> str:
    """The next time step's code: the current one was used to confirm."""
    return app.at(int(time.time()) + STEP)


def test_an_admin_invites_disables_and_enables_someone(
    quiet: Site, visit: Callable[..., Visitor], newcomer: str
) -> None:
    """R-3: the link is copied, opened elsewhere, used once; disabling the account ends its session at once."""
    admin = visit(quiet, permissions=["clipboard-read", "clipboard-write"]).sign_in(Role.ADMIN)
    page = admin.page
    page.goto("/settings/staff")
    judge(admin)
    page.get_by_role("link", name="Invite").click()
    judge(admin)
    link = invite(page, newcomer, "Support")
    judge(admin)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert link in page.evaluate("navigator.clipboard.readText()")

    guest = visit(quiet)
    guest.expected = ["404", "422", "401"]
    guest.page.goto(link)
    judge(guest)
    guest.page.get_by_label("Password", exact=True).fill("password1234")
    guest.page.get_by_label("Show password").check()
    expect(guest.page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    guest.page.get_by_role("button", name="Set password").click()
    expect(guest.page.get_by_role("alert").filter(visible=True)).to_contain_text(
        "too easy to guess"
    )
    judge(guest)
    choose(guest.page, link)
    sign_in(guest.page, newcomer)
    expect(guest.page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    guest.page.goto(link)
    expect(guest.page.get_by_role("heading", name="This link has expired")).to_be_visible()
    judge(guest)
    guest.page.goto("/badges")

    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="Zoë Winter", exact=True)).to_be_visible()
    judge(admin)
    page.get_by_role("radio", name="Dev").check()
    page.get_by_role("button", name="Change role").click()
    expect(page.get_by_role("status").first).to_have_text("Zoë Winter now has the role Dev.")
    guest.page.reload()
    expect(guest.page.locator(".current-user .muted")).to_have_text("Dev")

    page.get_by_role("link", name="Disable account").click()
    window = page.get_by_role("dialog", name="Disable account")
    expect(window).to_contain_text("Zoë Winter will be signed out everywhere")
    judge(admin)
    window.get_by_role("button", name="Cancel").click()
    page.get_by_role("link", name="Disable account").click()
    window.get_by_role("button", name="Disable account").click()
    expect(page.locator(".head .pill")).to_have_text("Disabled")
    judge(admin)
    guest.page.reload()
    expect(guest.page).to_have_url(f"{quiet.url}/sign-in?next=/badges")
    sign_in(guest.page, newcomer)
    expect(guest.page.get_by_role("alert")).to_have_text("Incorrect email or password.")
    page.get_by_role("button", name="Enable account").click()
    expect(page.locator(".head .pill")).to_have_text("Active")
    sign_in(guest.page, newcomer)
    expect(guest.page.get_by_role("heading", name="Badges", exact=True)).to_be_visible()


def test_a_person_secures_their_account(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """R-4: two-factor authentication with QR code and codes, the code at sign-in, ending one or all sessions."""
    here, there = visit(quiet), visit(quiet)
    email = quiet.account(Role.MANAGER)
    for visitor in (here, there):
        visitor.expected = ["422"]
        visitor.page.goto("/sign-in")
        visitor.fill_sign_in(email)
    page = here.page
    there.page.goto("/badges")  # Home would poll for a batch of another test, and get a 401
    page.get_by_role("link", name="The Community manager").click()
    judge(here)
    rows = page.get_by_role("row")
    expect(rows).to_have_count(3)
    rows.filter(has_not_text="This browser").get_by_role("button").click()
    expect(page.get_by_role("status").first).to_have_text("That session has been signed out.")
    there.page.reload()
    expect(there.page).to_have_url(f"{quiet.url}/sign-in?next=/badges")

    page.get_by_role("link", name="Set up").click()
    judge(here)
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    judge(here)
    page.get_by_label("Enter the 6-digit code").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("Incorrect code.")
    expect(page.get_by_label("Enter the 6-digit code")).to_be_focused()
    judge(here)
    page.goto("/account/second-factor")
    app = pyotp.TOTP(page.locator("code.key").inner_text())
    page.get_by_label("Enter the 6-digit code").fill(app.now())
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator("#codes li")).to_have_count(10)
    codes = page.locator("#codes li").all_inner_texts()
    assert len(codes) == 10
    judge(here)
    page.get_by_role("link", name="I've saved these codes").click()
    expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()

    there.page.goto("/sign-in")
    sign_in(there.page, email)
    expect(there.page.get_by_role("heading", name="Two-factor authentication")).to_be_visible()
    judge(there)
    there.page.get_by_label("Code").fill("000000")
    there.page.get_by_role("button", name="Sign in").click()
    expect(there.page.get_by_role("alert")).to_contain_text(
        "This code is incorrect or has already been used."
    )
    judge(there)
    there.page.get_by_label("Code").fill(next_code(app))
    there.page.get_by_role("button", name="Sign in").click()
    expect(there.page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    there.page.goto("/badges")

    page.goto("/account/second-factor")
    judge(here)
    page.get_by_role("link", name="Turn off").click()
    expect(page.get_by_role("dialog")).to_contain_text("You'll sign in with only your password")
    judge(here)
    page.keyboard.press("Escape")
    page.goto("/account")
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("status").first).to_have_text("You've been signed out everywhere.")
    there.page.reload()
    expect(there.page).to_have_url(f"{quiet.url}/sign-in?next=/badges")
    sign_in(page, email)
    page.get_by_label("Code").fill(codes[3])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status").first).to_contain_text("9 codes left.")


def test_the_same_without_javascript(
    quiet: Site, visit: Callable[..., Visitor], newcomer: str
) -> None:
    """R-3, R-4: plain forms and pages from the invitation to a role that requires two-factor authentication."""
    plain = {"java_script_enabled": False}
    page = visit(quiet, **plain).sign_in(Role.ADMIN).page
    link = invite(page, newcomer, "Dev", "Zoë Sommer")
    guest = visit(quiet, **plain).page
    choose(guest, link)
    with quiet.app.app_context(), transaction():
        two_factor.require_for_roles([Role.DEV], quiet.actor())
    try:
        sign_in(guest, newcomer)
        expect(guest.get_by_text("Your role requires two-factor authentication.")).to_be_visible()
        guest.goto("/members")
        app = set_up(guest)
        guest.get_by_role("link", name="I've saved these codes").click()
        expect(guest.get_by_role("heading", name="Members")).to_be_visible()
        guest.goto("/account")
        guest.get_by_role("button", name="Sign out everywhere").click()
        sign_in(guest, newcomer)
        guest.get_by_label("Code").fill(next_code(app))
        guest.get_by_role("button", name="Sign in").click()
        expect(guest.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    finally:
        with quiet.app.app_context(), transaction():
            two_factor.require_for_roles([], quiet.actor())
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Turn off").click()
    page.get_by_role("dialog").get_by_role("button", name="Turn off").click()
    expect(page.get_by_role("status").first).to_have_text("Two-factor authentication turned off.")
    page.get_by_role("link", name="Disable account").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable account").click()
    guest.reload()
    expect(guest).to_have_url(f"{quiet.url}/sign-in?next=/")
    page.get_by_role("button", name="Enable account").click()
    page.get_by_role("button", name="Create password reset link").click()
    choose(guest, "/welcome/" + page.get_by_label("Link").input_value().rpartition("/")[2])


def test_the_system_page_updates_by_itself(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """Published work appears, is shown in progress, and disappears, without a reload; missing workers are reported."""
    number = next(quiet.people)
    batch = quiet.make.batch(
        quiet.make.members(4, prefix=f"sys{number}x"), name=f"Watched {number}"
    )
    visitor = visit(quiet).sign_in(Role.ADMIN)
    page = visitor.page
    page.clock.install()  # the page polls every five seconds; the test needn't wait for it
    page.goto("/settings/system")
    expect(page.get_by_text("No worker is running.")).to_be_visible()
    judge(visitor)
    row = page.get_by_role("row").filter(has_text=f"Watched {number}")
    expect(row).to_have_count(0)
    quiet.publish(batch.id)
    page.clock.fast_forward(5_000)
    expect(row).to_contain_text("Waiting")
    judge(visitor)
    quiet.hold(batch.id)
    page.clock.fast_forward(5_000)
    expect(row).to_contain_text("Assigned")
    while quiet.unlock(batch.id, 10):
        pass
    page.clock.fast_forward(5_000)
    expect(row).to_have_count(0)
    assert visitor.requests.count("GET /settings/system") >= 4


def test_the_system_page_shows_a_real_worker_and_clock(site: Site, admin: Visitor) -> None:
    """By their heartbeats in the database."""
    admin.page.goto("/settings/system")
    alive = admin.page.get_by_role("region", name="Workers and scheduler").get_by_text("Running")
    expect(alive).to_have_count(2, timeout=30_000)  # they may still be starting
