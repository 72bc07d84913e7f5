"""Single sign-on in a browser, through a provider that runs as a process (SSO-1, SSO-2)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from tests.faults.console import await_, free_port
from webapp.models import Role

NAME = "Example Login"
STYLES = "https://cdn.jsdelivr.net/npm/@picocss/pico@2/css/pico.min.css"  # of the provider's page


class Provider:
    """`oidc-provider-mock`; each person's subject is their name."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, name: str, *groups: str, **claims: Any) -> None:
        """Give a person groups, and a verified email."""
        usual = {"email": f"{name}@example.org", "email_verified": True, "name": name.title()}
        body = {**usual, "groups": list(groups), **claims}
        httpx.put(f"{self.url}/users/{name}", json=body).raise_for_status()

    def enter(self, page: Page, name: str) -> None:
        """Enter a name on the provider's page."""
        page.get_by_placeholder("sub").fill(name)
        page.get_by_role("button", name="Authorize").click()


@pytest.fixture(scope="module")
def sso() -> Iterator[tuple[Site, Provider]]:
    """A console and its provider."""
    port, own = free_port(), free_port()
    provider = Provider(f"http://127.0.0.1:{port}")
    site = Site(
        "",
        Path(tempfile.mkdtemp(prefix="sso-")),
        PORT=str(own),
        LAUREL_ADDRESS=f"http://127.0.0.1:{own}",
        LAUREL_OIDC_ISSUER=provider.url,
        LAUREL_OIDC_CLIENT_ID="laurel",
        LAUREL_OIDC_CLIENT_SECRET="hush",
        LAUREL_OIDC_NAME=NAME,
        LAUREL_OIDC_ROLES="console-admins=admin,moderators=manager",
    )
    site.port = own
    site.start("oidc_provider_mock", "--port", str(port))
    await_(lambda: _answers(provider.url), 30, "the provider answers")
    site.start_web()
    yield site, provider
    site.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/.well-known/openid-configuration").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def visitor(sso: tuple[Site, Provider], visit: Callable[..., Visitor]) -> Visitor:
    return arrive(sso, visit)


def arrive(sso: tuple[Site, Provider], visit: Callable[..., Visitor], **options: Any) -> Visitor:
    visitor = visit(sso[0], **options)
    visitor.elsewhere = sso[1].url
    visitor.expected = ["404", STYLES]  # the provider's page has no icon
    visitor.context.route(STYLES, lambda route: route.fulfill(content_type="text/css", body=""))
    return visitor


def sign_in(visitor: Visitor, provider: Provider, name: str, path: str = "/") -> Page:
    page = visitor.page
    page.goto(path)
    page.get_by_role("link", name=f"Sign in with {NAME}").click()
    provider.enter(page, name)
    return page


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
def test_signing_in_links_the_account_and_reads_the_role_each_time(
    sso: tuple[Site, Provider], visit: Callable[..., Visitor], scripts: bool
) -> None:
    site, provider = sso
    name = "anna" if scripts else "ben"
    site.make.staff(Role.ADMIN, password="a hash")
    site.make.staff(Role.ADMIN, email=f"{name}@example.org", name=name.title())
    visitor = arrive(sso, visit, java_script_enabled=scripts)
    provider.set(name, "console-admins")
    page = sign_in(visitor, provider, name, "/settings/staff")
    expect(page.get_by_role("heading", level=1)).to_have_text("Staff")

    provider.set(name, "moderators", email="other@example.org", email_verified=False)
    other = arrive(sso, visit)
    other.expected.append("403")
    page = sign_in(other, provider, name, "/members")
    expect(page.get_by_role("heading", level=1)).to_have_text("Members")
    assert page.goto("/settings/staff").status == 403  # type: ignore[union-attr]
    visitor.expected.append("403")
    assert visitor.page.goto("/settings/staff").status == 403  # type: ignore[union-attr]


def test_people_without_a_role_are_told_so(sso: tuple[Site, Provider], visitor: Visitor) -> None:
    site, provider = sso
    site.make.staff(Role.MANAGER, email="cora@example.org")
    provider.set("cora", "others")
    page = sign_in(visitor, provider, "cora")
    expect(page.get_by_role("alert")).to_contain_text(
        "Your groups at the sign-in provider give you no role"
    )
    judge(visitor)

    page.get_by_role("link", name=f"Sign in with {NAME}").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_contain_text("it was cancelled")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
def test_a_change_of_access_is_confirmed_at_the_provider(
    sso: tuple[Site, Provider], visit: Callable[..., Visitor], scripts: bool
) -> None:
    """R-4: after a sign-in for which the provider asked for nothing. What was entered is offered again afterwards."""
    site, provider = sso
    name = "dave" if scripts else "eve"
    site.make.staff(Role.ADMIN, email=f"{name}@example.org", name=name.title())
    sam = site.make.staff(Role.SUPPORT, name=f"Sam of {name}", password="a hash")
    provider.set(name, "console-admins", auth_time=int(time.time()) - 660)
    visitor = arrive(sso, visit, java_script_enabled=scripts)
    page = sign_in(visitor, provider, name, f"/settings/staff/{sam.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Sam of {name}")
    provider.set(name, "console-admins")
    page.get_by_role("radio", name="Dev").check()
    page.get_by_role("button", name="Change role").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it's you")
    if scripts:
        judge(visitor)
    page.get_by_role("link", name=f"Continue with {NAME}").click()
    provider.enter(page, name)
    expect(page.get_by_role("heading", level=1)).to_have_text("Not saved yet")
    page.get_by_role("button", name="Save now").click()
    expect(page.get_by_role("status").first).to_have_text(f"Sam of {name} now has the role Dev.")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
def test_signing_out_ends_the_providers_session_too(
    sso: tuple[Site, Provider], visit: Callable[..., Visitor], scripts: bool
) -> None:
    """SSO-4: the policy forbids a redirect from the form, so a page in between leads there."""
    site, provider = sso
    name = "frank" if scripts else "grace"
    site.make.staff(Role.MANAGER, email=f"{name}@example.org", name=name.title())
    provider.set(name, "moderators")
    visitor = arrive(sso, visit, java_script_enabled=scripts)
    page = sign_in(visitor, provider, name, "/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto("/members")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
