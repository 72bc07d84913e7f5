"""Keys and webhooks in a browser: create, copy, use, revoke; with and without JavaScript (A-3, A-6)."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from tests.faults.console import await_
from tests.jobs.receiver import Receiver
from webapp.models import Role


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A separate console with a worker, whose webhooks may reach this machine."""
    site = Site("", tmp_path_factory.mktemp("hooked"), LAUREL_WEBHOOK_NETWORKS="127.0.0.0/8")
    site.socket = Path("/tmp") / f"hooked-{id(site)}.sock"
    site.environ["REDIS_URL"] = f"unix://{site.socket}"
    site.start_queue()
    site.start_web()
    site.start_deliveries()
    yield site
    site.stop()
    site.socket.unlink(missing_ok=True)


def status(site: Site, key: str) -> int:
    """The API's response status for the key."""
    request = urllib.request.Request(
        f"{site.url}/api/v1/badges", headers={"Authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def new_key(page: Page, name: str) -> str:
    """Go from the menu to a new key, and return it."""
    page.goto("/settings/api-keys")
    page.get_by_role("link", name="New key").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Read badges, their quests and rules").check()
    page.get_by_role("button", name="Create key").click()
    page.wait_for_load_state()
    return page.get_by_label(f"Key for {name}").input_value()


def test_a_key_is_created_used_and_revoked(hooked: Site, visit: Callable[..., Visitor]) -> None:
    """A-3: an error without a name, created, copied, used, revoked in a dialog."""
    visitor = visit(hooked, permissions=["clipboard-read", "clipboard-write"]).sign_in(Role.DEV)
    visitor.expected = ["422"]
    page = visitor.page
    page.goto("/")
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="New key").first.click()
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_label("Name")).to_be_focused()
    judge(visitor)
    key = new_key(page, "Learning platform")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    judge(visitor)
    assert status(hooked, key) == 200
    page.get_by_role("link", name="Done").click()
    judge(visitor)
    page.get_by_role("link", name="Revoke Learning platform").click()
    window = page.get_by_role("dialog", name="Revoke key")
    expect(window).to_be_visible()
    judge(visitor)
    window.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("status").first).to_contain_text("revoked.")
    assert status(hooked, key) == 401


def test_a_key_without_scripts(hooked: Site, visit: Callable[..., Visitor]) -> None:
    """A-3: the dialog is a page; controls that need JavaScript are hidden."""
    visitor = visit(hooked, java_script_enabled=False).sign_in(Role.ADMIN)
    page = visitor.page
    key = new_key(page, "Without scripts")
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    assert status(hooked, key) == 200
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Revoke Without scripts").click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("status").first).to_contain_text("revoked.")
    assert status(hooked, key) == 401


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
def test_a_webhook_is_created_tested_and_removed(
    hooked: Site, visit: Callable[..., Visitor], scripts: bool
) -> None:
    """A-6: the secret is shown once, a test arrives, the log, `Resend`, another secret, removal."""
    receiver = Receiver()
    visitor = visit(hooked, java_script_enabled=scripts).sign_in(Role.ADMIN)
    visitor.expected = ["422"]
    page = visitor.page
    try:
        page.goto("/settings/webhooks/new")
        page.get_by_label("URL").fill("https://10.0.0.1/")
        page.get_by_role("button", name="Create webhook").click()
        expect(page.get_by_text("This address isn't public.")).to_be_visible()
        if scripts:
            judge(visitor)
        page.get_by_label("URL").fill(receiver.url)
        page.get_by_role("button", name="Create webhook").click()
        assert page.get_by_label("Signing secret").input_value().startswith("whsec_")
        page.get_by_role("link", name="Done").click()
        page.get_by_role("button", name="Send test").click()
        expect(page.get_by_text("Test sent.")).to_be_visible()
        expect(page.locator("#log tbody tr")).to_have_count(1)
        _until_delivered(page)
        if scripts:
            judge(visitor)
        page.get_by_role("button", name="Resend").click()
        _until_delivered(page)
        assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
        assert len(receiver.came) == 2
        page.get_by_role("link", name="Rotate secret").click()
        page.get_by_role("button", name="Rotate secret").click()
        expect(page.get_by_label("Signing secret")).to_be_visible()
        page.get_by_role("link", name="Done").click()
        page.get_by_role("link", name="Remove").click()
        if scripts:
            expect(page.get_by_role("dialog")).to_be_visible()
            judge(visitor)
        page.get_by_role("button", name="Remove webhook").click()
        expect(page.get_by_text("No webhooks yet")).to_be_visible()
    finally:
        receiver.close()


def _until_delivered(page: Page) -> None:
    """Reload until the newest delivery has arrived."""

    def delivered() -> bool:
        page.wait_for_timeout(100)
        page.reload()
        return "Delivered" in page.locator("#log tbody tr").first.inner_text()

    await_(delivered, 60, "it is delivered")


def test_the_documentation(hooked: Site, visit: Callable[..., Visitor]) -> None:
    """A-1: readable without an account; an example is expanded and copied; it fits a phone, light and dark."""
    visitor = visit(hooked, permissions=["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.goto("/api/docs")
    page.get_by_role("navigation", name="Contents").get_by_role(
        "link", name="Award a badge", exact=True
    ).click()
    operation = page.locator("#make_award")
    operation.get_by_text("Example").click()
    copy = operation.get_by_role("button", name="Copy curl-make_award")
    copy.click()
    expect(copy).to_have_text("Copied")
    assert "--data-binary @- <<JSON" in page.evaluate("navigator.clipboard.readText()")
    judge(visitor)
