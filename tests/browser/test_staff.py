"""R-3 and R-4 as people walk them: invited, secured, shut out and let in again; with JavaScript and without."""

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
    """An address that nobody has."""
    return f"zoe{next(quiet.people)}@example.org"


def invite(page: Page, email: str, role: str, name: str = "Zoë Winter") -> str:
    """Invites somebody on the pages; returns the path of their link."""
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
    """Opens a link and chooses a password."""
    page.goto(link)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("status").first).to_have_text("Your password is set. Sign in with it.")


def sign_in(page: Page, email: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def set_up(page: Page) -> pyotp.TOTP:
    """From the page `Second factor` to the recovery codes; returns the app."""
    page.get_by_role("button", name="Set it up").click()
    app = pyotp.TOTP(page.locator("code.key").inner_text())
    page.get_by_label("Type the six digits").fill(app.now())
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return app


def next_code(app: pyotp.TOTP) -> str:
    """The code of the step that comes: the present one's was used to confirm."""
    return app.at(int(time.time()) + STEP)


def test_an_admin_invites_disables_and_lets_in_again(
    quiet: Site, visit: Callable[..., Visitor], newcomer: str
) -> None:
    """R-3: the link is copied, opened elsewhere, used once; the account disabled there is out here at once."""
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
    guest.page.get_by_label("Password").fill("password1234")
    guest.page.get_by_label("Show it").check()
    expect(guest.page.get_by_label("Password")).to_have_attribute("type", "text")
    guest.page.get_by_role("button", name="Set the password").click()
    expect(guest.page.get_by_role("alert").filter(visible=True)).to_contain_text(
        "too easy to guess"
    )
    judge(guest)
    choose(guest.page, link)
    sign_in(guest.page, newcomer)
    expect(guest.page.get_by_role("heading", name="Badges")).to_be_visible()
    guest.page.goto(link)
    expect(guest.page.get_by_role("heading", name="This link is over")).to_be_visible()
    judge(guest)
    guest.page.goto("/badges")

    page.get_by_role("link", name="I have sent it").click()
    expect(page.get_by_role("heading", name="Zoë Winter", exact=True)).to_be_visible()
    judge(admin)
    page.get_by_role("radio", name="Dev").check()
    page.get_by_role("button", name="Change the role").click()
    expect(page.get_by_role("status").first).to_have_text("Zoë Winter is Dev now.")
    guest.page.reload()
    expect(guest.page.locator(".current-user .muted")).to_have_text("Dev")

    page.get_by_role("link", name="Disable the account").click()
    window = page.get_by_role("dialog", name="Disable the account")
    expect(window).to_contain_text("Zoë Winter is signed out everywhere at once")
    judge(admin)
    window.get_by_role("button", name="Cancel").click()
    page.get_by_role("link", name="Disable the account").click()
    window.get_by_role("button", name="Disable the account").click()
    expect(page.locator(".head .pill")).to_have_text("Disabled")
    judge(admin)
    guest.page.reload()
    expect(guest.page).to_have_url(f"{quiet.url}/sign-in?next=/badges")
    sign_in(guest.page, newcomer)
    expect(guest.page.get_by_role("alert")).to_have_text("Email or password is wrong.")
    page.get_by_role("button", name="Enable the account").click()
    expect(page.locator(".head .pill")).to_have_text("Active")
    sign_in(guest.page, newcomer)
    expect(guest.page.get_by_role("heading", name="Badges")).to_be_visible()


def test_somebody_looks_after_their_account(quiet: Site, visit: Callable[..., Visitor]) -> None:
    """R-4: a second factor with its picture and codes, the code at the door, sessions ended one and all."""
    here, there = visit(quiet), visit(quiet)
    email = quiet.account(Role.MANAGER)
    for visitor in (here, there):
        visitor.expected = ["422"]
        visitor.page.goto("/sign-in")
        visitor.fill_sign_in(email)
    page = here.page
    page.get_by_role("link", name="The Community manager").click()
    judge(here)
    rows = page.get_by_role("row")
    expect(rows).to_have_count(3)
    rows.filter(has_not_text="This one").get_by_role("button").click()
    expect(page.get_by_role("status").first).to_have_text("This session is ended.")
    there.page.reload()
    expect(there.page).to_have_url(f"{quiet.url}/sign-in?next=/badges")

    page.get_by_role("link", name="Set it up").click()
    judge(here)
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    judge(here)
    page.get_by_label("Type the six digits").fill("000000")
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("Incorrect code.")
    expect(page.get_by_label("Type the six digits")).to_be_focused()
    judge(here)
    page.goto("/account/second-factor")
    app = pyotp.TOTP(page.locator("code.key").inner_text())
    page.get_by_label("Type the six digits").fill(app.now())
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator("#codes li")).to_have_count(10)
    codes = page.locator("#codes li").all_inner_texts()
    assert len(codes) == 10
    judge(here)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("heading", name="Badges")).to_be_visible()

    there.page.goto("/sign-in")
    sign_in(there.page, email)
    expect(there.page.get_by_role("heading", name="Second factor")).to_be_visible()
    judge(there)
    there.page.get_by_label("Code").fill("000000")
    there.page.get_by_role("button", name="Sign in").click()
    expect(there.page.get_by_role("alert")).to_contain_text(
        "This code is wrong, or was used before."
    )
    judge(there)
    there.page.get_by_label("Code").fill(next_code(app))
    there.page.get_by_role("button", name="Sign in").click()
    expect(there.page.get_by_role("heading", name="Badges")).to_be_visible()

    page.goto("/account/second-factor")
    judge(here)
    page.get_by_role("link", name="Turn it off").click()
    expect(page.get_by_role("dialog")).to_contain_text("From now on your password alone")
    judge(here)
    page.keyboard.press("Escape")
    page.goto("/account")
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("status").first).to_have_text("You are signed out everywhere.")
    there.page.reload()
    expect(there.page).to_have_url(f"{quiet.url}/sign-in?next=/badges")
    sign_in(page, email)
    page.get_by_label("Code").fill(codes[3])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status").first).to_contain_text("Recovery codes that are left: 9.")


def test_the_same_without_javascript(
    quiet: Site, visit: Callable[..., Visitor], newcomer: str
) -> None:
    """R-3, R-4: plain forms and pages from the invitation to a role that asks for a second factor, and out again."""
    plain = {"java_script_enabled": False}
    page = visit(quiet, **plain).sign_in(Role.ADMIN).page
    link = invite(page, newcomer, "Dev", "Zoë Sommer")
    guest = visit(quiet, **plain).page
    choose(guest, link)
    with quiet.app.app_context(), transaction():
        two_factor.require_for_roles([Role.DEV], quiet.actor())
    try:
        sign_in(guest, newcomer)
        expect(guest.get_by_text("Your role needs a second factor.")).to_be_visible()
        guest.goto("/members")
        app = set_up(guest)
        guest.get_by_role("link", name="I have kept them").click()
        expect(guest.get_by_role("heading", name="Members")).to_be_visible()
        guest.goto("/account")
        guest.get_by_role("button", name="Sign out everywhere").click()
        sign_in(guest, newcomer)
        guest.get_by_label("Code").fill(next_code(app))
        guest.get_by_role("button", name="Sign in").click()
        expect(guest.get_by_role("heading", name="Badges")).to_be_visible()
    finally:
        with quiet.app.app_context(), transaction():
            two_factor.require_for_roles([], quiet.actor())
    page.get_by_role("link", name="I have sent it").click()
    page.get_by_role("link", name="Turn it off").click()
    page.get_by_role("dialog").get_by_role("button", name="Turn it off").click()
    expect(page.get_by_role("status").first).to_have_text("The second factor is turned off.")
    page.get_by_role("link", name="Disable the account").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable the account").click()
    guest.reload()
    expect(guest).to_have_url(f"{quiet.url}/sign-in?next=/badges")
    page.get_by_role("button", name="Enable the account").click()
    page.get_by_role("button", name="Make a link for a new password").click()
    choose(guest, "/welcome/" + page.get_by_label("Link").input_value().rpartition("/")[2])


def test_the_state_of_the_system_moves_by_itself(
    quiet: Site, visit: Callable[..., Visitor]
) -> None:
    """What is published appears, is seen in hand, and goes, without a reload; where no worker is, the page says so."""
    number = next(quiet.people)
    batch = quiet.make.batch(
        quiet.make.members(4, prefix=f"sys{number}x"), name=f"Watched {number}"
    )
    visitor = visit(quiet).sign_in(Role.ADMIN)
    page = visitor.page
    page.clock.install()  # the page asks every five seconds; they need not be waited for
    page.goto("/settings/system")
    expect(page.get_by_text("No worker has been heard of lately.")).to_be_visible()
    judge(visitor)
    row = page.get_by_role("row").filter(has_text=f"Watched {number}")
    expect(row).to_have_count(0)
    quiet.publish(batch.id)
    page.clock.fast_forward(5_000)
    expect(row).to_contain_text("It waits for a worker")
    judge(visitor)
    quiet.hold(batch.id)
    page.clock.fast_forward(5_000)
    expect(row).to_contain_text("A worker")
    while quiet.unlock(batch.id, 10):
        pass
    page.clock.fast_forward(5_000)
    expect(row).to_have_count(0)
    assert visitor.requests.count("GET /settings/system") >= 4


def test_a_real_worker_and_clock_are_seen(site: Site, admin: Visitor) -> None:
    """By the signs of life that they leave in the database."""
    admin.page.goto("/settings/system")
    alive = admin.page.get_by_role("region", name="Workers and clocks").get_by_text("Alive")
    expect(alive).to_have_count(2, timeout=30_000)  # they may still be starting
