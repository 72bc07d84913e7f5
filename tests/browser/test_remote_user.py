"""Signing in through a proxy that sends a header: a real one on loopback, in front of the real web process."""

from __future__ import annotations

import http.client
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.site import PASSWORD, Site
from tests.browser.test_accessibility import judge
from tests.browser.visitor import Visitor
from tests.faults.console import free_port
from webapp.domain.staff import accounts
from webapp.models import Role

HEADER = "X-Remote-User"
TRUSTED = "127.0.0.2"  # the proxy connects from here, everyone else from 127.0.0.1
PER_HOP = {"connection", "host", "keep-alive", "transfer-encoding"}


class Handler(BaseHTTPRequestHandler):
    server: Proxy  # type: ignore[assignment]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {*PER_HOP, HEADER.lower()}
        }
        host = self.headers["Host"]
        headers |= {"Host": host, "X-Forwarded-Host": host, "X-Forwarded-Proto": "http"}
        headers["X-Forwarded-For"] = self.client_address[0]
        if self.server.person:
            headers[HEADER] = self.server.person
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.behind, timeout=30, source_address=(TRUSTED, 0)
        )
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {*PER_HOP, "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Proxy(ThreadingHTTPServer):
    """Passes requests on to the port `behind`, and names `person`."""

    daemon_threads = True

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind, self.person = behind, ""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes the connection is not an error."""


class ProxiedSite(Site):
    """A console whose address is that of its proxy."""

    proxy: Proxy

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.server_port}"

    @property
    def direct_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def proxied() -> Iterator[ProxiedSite]:
    own = free_port()
    proxy = Proxy(own)
    site = ProxiedSite(
        "",
        Path(tempfile.mkdtemp(prefix="proxied-")),
        PORT=str(own),
        LAUREL_ADDRESS=f"http://127.0.0.1:{proxy.server_port}",
        LAUREL_PROXIES="1",
        LAUREL_REMOTE_USER_HEADER=HEADER,
        LAUREL_REMOTE_USER_PROXIES=TRUSTED,
    )
    site.port, site.proxy = own, proxy
    site.start_web()
    yield site
    site.stop()
    proxy.shutdown()
    proxy.server_close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])
def test_the_proxy_signs_people_in_until_it_names_someone_else(
    proxied: ProxiedSite, visit: Callable[..., Visitor], scripts: bool
) -> None:
    name = "anna" if scripts else "ben"
    proxied.make.staff(Role.MANAGER, email=f"{name}@example.org", name=name.title())
    visitor = visit(proxied, java_script_enabled=scripts)
    page = visitor.page
    proxied.proxy.person = f"{name.title()}@example.org"
    page.goto("/members")
    expect(page.get_by_role("heading", level=1)).to_have_text("Members")
    page.goto("/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_role("link", name=f"Continue as {name.title()}@example.org").click()
    expect(page.get_by_role("link", name="Members", exact=True).first).to_be_attached()

    proxied.proxy.person = "stranger@example.org"
    page.goto("/members")
    expect(page.get_by_role("alert")).to_contain_text("your email address has no account here")
    if scripts:
        judge(visitor)
    proxied.proxy.person = f"{name}@example.org"
    page.goto("/members")
    expect(page.get_by_role("heading", level=1)).to_have_text("Members")


def test_a_change_of_access_asks_for_the_password(
    proxied: ProxiedSite, visit: Callable[..., Visitor]
) -> None:
    """R-4."""
    hashed = accounts.hash_of(PASSWORD)
    proxied.make.staff(Role.ADMIN, email="cora@example.org", name="Cora", password=hashed)
    sam = proxied.make.staff(Role.SUPPORT, name="Sam of Cora")
    proxied.proxy.person = "cora@example.org"
    page = visit(proxied).page
    page.goto(f"/settings/staff/{sam.id}")
    page.get_by_role("radio", name="Dev").check()
    page.get_by_role("button", name="Change role").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it's you")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("status").first).to_have_text("Sam of Cora now has the role Dev.")


def test_around_the_proxy_people_are_told_to_use_it(
    proxied: ProxiedSite, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(proxied)
    visitor.elsewhere = proxied.direct_url
    visitor.page.goto(f"{proxied.direct_url}/members")
    expect(visitor.page.get_by_text("didn't say who you are")).to_be_visible()
    judge(visitor)


@pytest.mark.parametrize(
    ("source", "headers", "where"),
    [
        (TRUSTED, [(HEADER, "dora@example.org")], "/sign-in/proxy"),
        (TRUSTED, [(HEADER.lower(), "dora@example.org")], "/sign-in/proxy"),
        (TRUSTED, [("X_Remote_User", "dora@example.org")], "/sign-in"),
        (TRUSTED, [("X-Remote_User", "dora@example.org")], "/sign-in"),
        ("127.0.0.1", [(HEADER, "dora@example.org")], "/sign-in"),
        ("127.0.0.1", [(HEADER, "dora@example.org"), ("X-Forwarded-For", TRUSTED)], "/sign-in"),
    ],
)
def test_the_web_process_takes_only_the_proxys_own_header(
    proxied: ProxiedSite, source: str, headers: list[tuple[str, str]], where: str
) -> None:
    status, location = ask(proxied, "/members", source, headers)
    assert (status, location.partition("?")[0]) == (303, where)


def test_a_header_that_comes_twice_signs_no_one_in(proxied: ProxiedSite) -> None:
    """One may be the client's, which the proxy hasn't removed."""
    proxied.make.staff(Role.MANAGER, email="eve@example.org")
    twice = [(HEADER, "eve@example.org"), (HEADER, "eve@example.org")]
    assert ask(proxied, "/sign-in/proxy", TRUSTED, twice[:1]) == (303, "/")
    assert ask(proxied, "/sign-in/proxy", TRUSTED, twice) == (303, "/sign-in")


def ask(
    site: ProxiedSite, path: str, source: str, headers: list[tuple[str, str]]
) -> tuple[int, str]:
    """Send a request to the web process itself; return the status and where it leads."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", site.port, timeout=30, source_address=(source, 0)
    )
    connection.putrequest("GET", path)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("Location") or ""
