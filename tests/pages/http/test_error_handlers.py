"""Error responses (S12, R-2, W99-W101, W103)."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.conftest import settings_for
from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp import create_app
from webapp.config import Settings
from webapp.database import db
from webapp.models import Role

HOST = "badges.example.org"
PUBLIC: dict[str, Any] = {"address": f"https://{HOST}", "trusted_hosts": (HOST,)}


def test_an_unknown_address_is_not_found(
    client: ReviewingClient, as_support: ReviewingClient
) -> None:
    for browser in (client, as_support):
        answer = browser.get("/nowhere")
        assert answer.status_code == 404
        assert answer.words("h1") == "Page not found"
        assert browser.htmx("/nowhere").text.lstrip().startswith("<hx-partial")


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/.git/config",
        "/.env",
        "/admin",
        "/debug",
        "/?__debugger__=yes&cmd=resource&f=style.css",
        "/static/../pyproject.toml",
        "/static/%2e%2e/pyproject.toml",
    ],
)
def test_nothing_lies_open(client: ReviewingClient, path: str) -> None:  # W103
    answer = client.get(path)
    assert answer.status_code in (303, 404)
    assert "Werkzeug" not in answer.text
    assert "hatchling" not in answer.text


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "CONNECT", "PROPFIND"])
def test_unused_methods_are_rejected(as_admin: ReviewingClient, method: str) -> None:  # W103
    answer = as_admin.open("/sign-in", method=method)
    assert answer.status_code == 405
    assert "Allow" in answer.headers


def test_a_fault_shows_a_reference_and_logs_the_rest(
    odd_client: ReviewingClient, caplog: pytest.LogCaptureFixture
) -> None:  # W101, S12
    with caplog.at_level(logging.ERROR):
        answer = odd_client.get("/odd/fault?secret=1")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    reference = answer.words("code")
    [logged] = [record for record in caplog.records if reference in record.getMessage()]
    assert logged.exc_info is not None
    assert "secret detail" in str(logged.exc_info[1])
    assert "secret=1" not in caplog.text.replace("secret detail", "")


def test_a_fault_answers_htmx_shortly(odd_client: ReviewingClient) -> None:  # W101
    answer = odd_client.htmx("/odd/fault")
    assert answer.status_code == 500
    assert "Reference" in answer.text
    assert len(answer.text) < 200


def test_every_fault_has_a_reference_of_its_own(odd_client: ReviewingClient) -> None:
    words = {odd_client.get("/odd/fault").words("code") for _ in range(2)}
    assert len(words) == 2


def test_an_error_without_a_field_is_shown(odd_client: ReviewingClient, make) -> None:  # type: ignore[no-untyped-def]
    odd_client.sign_in(make.staff(Role.DEV))
    answer = odd_client.get("/odd/refused")
    assert answer.status_code == 409
    assert "The batch is running <now>." in answer.words("main")
    fragment = odd_client.htmx("/odd/refused")
    assert "The batch is running &lt;now&gt;." in fragment.text
    assert odd_client.get("/odd/missing").status_code == 404


def test_a_view_that_states_nothing_is_refused(odd_client: ReviewingClient, make: Make) -> None:
    """R-1: even to an admin."""
    odd_client.sign_in(make.staff(Role.ADMIN))
    answer = odd_client.get("/odd/silent")
    assert answer.status_code == 403
    assert "never seen" not in answer.text


@pytest.mark.databases("sqlite", "postgresql")
def test_a_statement_that_fails_shows_no_trace(odd_client: ReviewingClient) -> None:
    answer = odd_client.get("/odd/database")
    assert answer.status_code in (500, 503)
    assert "there_is_no_such_table" not in answer.text


@pytest.fixture(params=["sqlite", "postgresql"])
def adrift(request: pytest.FixtureRequest, tmp_path: Path) -> Flask:
    """An app whose database is unreachable."""
    url = (
        "postgresql://nobody@127.0.0.1:1/none"
        if request.param == "postgresql"
        else f"sqlite:///{tmp_path}/gone/laurel.sqlite"
    )
    app = create_app(settings_for(url, tmp_path))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


def test_an_unreachable_database_gives_a_page(adrift: Flask) -> None:
    """S12: signed-in people see a page with a reference; requests without the database work."""
    client = ReviewingClient(adrift, None, use_cookies=True)
    with client.session_transaction() as kept:
        kept.update(account="somebody", key="a-key")
    answer = client.get("/sign-in/typed")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "The database isn't responding." in answer.words("main")
    assert answer.words("code")
    assert client.htmx("/sign-in/typed").status_code == 503
    assert client.get("/healthz").text == "ok"
    assert client.get("/nowhere").status_code in (404, 503)
    with adrift.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:8000", "localhost@evil.example", ""],
)
def test_a_foreign_host_is_refused(client: ReviewingClient, host: str) -> None:
    """W93: no link is created for a host that is not ours."""
    answer = client.get("/sign-in", headers={"Host": host})
    assert answer.status_code == 400
    assert "evil" not in answer.text


def test_a_forwarded_host_is_ignored(client: ReviewingClient) -> None:
    """W98: without LAUREL_PROXIES."""
    answer = client.get(
        "/",
        headers={
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Prefix": "/evil",
        },
    )
    assert answer.status_code == 303
    assert "evil" not in answer.headers["Location"]


@pytest.mark.parametrize(("proxies", "warnings"), [(0, 1), (1, 0)])
def test_a_proxy_that_is_not_counted_is_warned_about_once(
    database: Settings, caplog: pytest.LogCaptureFixture, proxies: int, warnings: int
) -> None:
    """W98: with LAUREL_PROXIES=0 its header is ignored, and sign-in limits would count all clients as one address."""
    app_of_its_own = create_app(replace(database, proxies=proxies))
    client = ReviewingClient(app_of_its_own, None, use_cookies=True)
    client.get("/sign-in")
    assert "LAUREL_PROXIES" not in caplog.text
    for number in range(5):
        client.get("/sign-in", headers={"X-Forwarded-For": f"203.0.113.{number}"})
    assert caplog.text.count("LAUREL_PROXIES is 0") == warnings
    assert "203.0.113" not in caplog.text
    with app_of_its_own.app_context():
        db.engine.dispose()


def test_a_trusted_proxy_is_believed(database: Settings, app: Flask) -> None:
    """W98: with LAUREL_PROXIES=1, only the last hop."""
    behind = create_app(
        replace(
            database,
            proxies=1,
            address="https://badges.example.org",
            trusted_hosts=("badges.example.org",),
        )
    )
    client = ReviewingClient(behind, None, use_cookies=True)
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "badges.example.org"}
    answer = client.get("/sign-in", headers=forwarded)
    assert answer.status_code == 200
    assert "__Host-laurel=" in answer.headers["Set-Cookie"]
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    spoofed = {**forwarded, "X-Forwarded-Host": "evil.example, badges.example.org"}
    assert client.get("/sign-in", headers=spoofed).status_code == 200
    assert (
        client.get(
            "/sign-in", headers={**forwarded, "X-Forwarded-Host": "evil.example"}
        ).status_code
        == 400
    )
    with behind.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(
    "referer",
    [
        None,
        "https://evil.example/",
        "http://badges.example.org/",
        "https://badges.example.org.evil.example/",
    ],
)
def test_over_https_the_referer_counts(
    database: Settings, app: Flask, referer: str | None
) -> None:  # W84
    secure = create_app(replace(database, **PUBLIC))
    client = ReviewingClient(secure, None, use_cookies=True)
    base = "https://badges.example.org"
    page = client.get("/sign-in", base_url=base).page
    token = page.select_one("input[name=csrf_token]")["value"]
    data = {"csrf_token": token, "email": "a", "password": "b"}
    headers = {"Referer": referer} if referer else {}
    assert (
        client.post("/sign-in", data, base_url=base, headers=headers, csrf=False).status_code == 400
    )
    good = {"Referer": f"{base}/sign-in"}
    assert client.post("/sign-in", data, base_url=base, headers=good, csrf=False).status_code == 422
    with secure.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(
    "fields",
    [
        {"note": "x" * 7_000_000},
        {"note": "x" * 600_000},
        {f"field{number}": "x" for number in range(1500)},
    ],
    ids=["7 MB", "600 kB field", "1,500 parts"],
)
def test_too_much_is_refused(odd_client: ReviewingClient, fields: dict[str, str]) -> None:  # W99
    parts = (
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    body = ("".join(parts) + "--b--\r\n").encode()
    answer = odd_client.post("/odd/read", body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 413
    assert answer.words("h1") == "Too large"


def test_a_body_that_is_no_form_is_a_bad_request_not_a_fault(odd_client: ReviewingClient) -> None:
    for kind in (
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json",
        "a/b; charset=x",
    ):
        answer = odd_client.post("/odd/read", b"\xff\x00--x\r\n\r\n", content_type=kind)
        assert answer.status_code < 500, kind


@pytest.mark.parametrize(
    ("path", "code", "advice"),
    [
        ("/nowhere", 404, "Check the address and try again."),
        ("/settings/staff", 403, "Ask an admin if you need access."),
        ("/odd/refused", 409, "Go back and reload the page to see the latest."),
        ("/odd/fault", 500, "Please try again."),
    ],
)
def test_an_error_page_has_advice_and_a_link(
    odd_client: ReviewingClient, make: Make, path: str, code: int, advice: str
) -> None:
    """To the previous page, or to the home page."""
    odd_client.sign_in(make.staff(Role.SUPPORT))
    answer = odd_client.get(path, headers={"Referer": "http://localhost/members?q=ann"})
    assert answer.status_code == code
    assert advice in answer.words("main")
    links = {one.text: one["href"] for one in answer.page.select("main .error-page a")}
    assert links == {"Go back": "/members?q=ann", "Back to home": "/"}


@pytest.mark.parametrize(
    "referer",
    [
        "",
        "https://evil.example/members",
        "http://localhost:8000/members",
        "http://localhost/nowhere",
        "javascript:alert(1)",
    ],
)
def test_an_error_page_leads_back_to_our_pages_alone(client: ReviewingClient, referer: str) -> None:
    """Signed out it links to sign-in; it never links back to another site, or to itself."""
    answer = client.get("/nowhere", headers={"Referer": referer})
    links = {one.text: one["href"] for one in answer.page.select("main .error-page a")}
    assert links == {"Sign in": "/sign-in"}


def test_going_back_never_leaves_the_site(client: ReviewingClient) -> None:
    for path in ("//evil.example/x", "/\\evil.example/x"):
        answer = client.get("/nowhere", headers={"Referer": f"http://localhost{path}"})
        back = answer.page.select_one("main .error-page a:-soup-contains('Go back')")
        assert back is None or back["href"] == "/evil.example/x", path
