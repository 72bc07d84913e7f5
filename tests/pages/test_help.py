"""The guides at `/help` (E-3): open to everyone, with working links and pictures, and no way to inject HTML."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urldefrag, urljoin

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp.models import Role
from webapp.pages.help import help as help_pages
from webapp.pages.help.help import FOLDER, GUIDES, title_of
from webapp.pages.help.rendering import anchor, render

ADDRESSES = ["/help", *(f"/help/{guide}" for guide in GUIDES)]


def test_every_file_is_a_guide_and_the_index_links_to_each(client: ReviewingClient) -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == {"index", *GUIDES}

    page = client.get("/help").page

    linked = [str(link["href"]) for link in page.select(".prose a")]
    assert [address for address in linked if address in ADDRESSES] == ADDRESSES[1:]


@pytest.mark.parametrize("address", ADDRESSES)
def test_links_and_pictures_of_a_guide_lead_somewhere(
    client: ReviewingClient, address: str
) -> None:
    page = client.get(address).page

    for link in page.select(".prose a, .contents a"):
        target, fragment = urldefrag(urljoin(address, str(link["href"])))
        answer = client.get(target)
        assert answer.status_code == 200, link
        assert not fragment or answer.page.find(id=fragment), link
    for image in page.select(".prose img"):
        sent = client.get(str(image["src"]))
        assert sent.mimetype == "image/png", image
        assert image["alt"], image
        assert int(str(image["width"])) > 500, image


@pytest.mark.parametrize("role", list(Role))
def test_every_role_reads_the_same_guide_with_one_title(
    client: ReviewingClient, make: Make, role: Role
) -> None:
    signed_out = client.get("/help/award").page
    client.sign_in(make.staff(role))

    page = client.get("/help/award").page

    assert [h1.get_text() for h1 in page.select("h1")] == [title_of("award")] == ["Award badges"]
    assert page.select_one(".prose") == signed_out.select_one(".prose")
    assert [link["href"] for link in page.select(".crumbs a")] == ["/help"]


def test_a_guide_that_does_not_exist_is_not_found(client: ReviewingClient) -> None:
    for path in ("nothing", "index", "images/nothing.png", "images/..%2Findex.md"):
        assert client.get(f"/help/{path}").status_code == 404, path


@pytest.mark.parametrize(
    ("address", "guide"),
    [
        ("/badges", "badges-and-rules"),
        ("/badges/award", "award"),
        ("/batches", "batch"),
        ("/members", "members"),
        ("/audit-log", "audit"),
        ("/insights", "audit"),
        ("/settings/staff", "staff"),
        ("/settings/api-keys", "connect"),
        ("/account", "account"),
    ],
)
def test_a_page_links_to_its_guide(as_admin: ReviewingClient, address: str, guide: str) -> None:
    page = as_admin.get(address).page

    link = page.select_one(".guide-here a")
    assert link
    assert link["href"] == f"/help/{guide}"
    assert link.get_text() == f"Help: {title_of(guide)}"
    assert page.select_one("nav.nav a[href='/help']")


def test_a_guide_is_rendered_once(app: Flask, client: ReviewingClient) -> None:
    client.get("/help/batch")
    with (
        patch.object(help_pages, "render", side_effect=AssertionError("rendered again")),
        app.app_context(),
        statements() as sent,
    ):
        assert client.get("/help/batch").status_code == 200
    assert len(sent) == 1, "only the community's name and logo"


def render_text(folder: Path, text: str) -> str:
    path = folder / "guide.md"
    path.write_text(f"# Title\n\nFirst.\n\n{text}\n", encoding="utf-8")
    return str(
        render(path, lambda target: None if "other" in target else target, lambda _: None).body
    )


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](data:text/html,x)",
        '<p style="color: red">',
    ],
)
def test_html_and_script_in_a_guide_stay_text(tmp_path: Path, text: str) -> None:
    html = render_text(tmp_path, text)

    assert set(re.findall(r"<(\w+[^>]*)", html)) == {"p"}


def test_a_link_to_a_document_that_the_console_lacks_keeps_its_words(tmp_path: Path) -> None:
    html = render_text(tmp_path, "Ask [the **operator**](../other.md#start), see [this](here.md).")

    assert "Ask the <strong>operator</strong>, see <a" in html


def test_cells_name_their_column_on_a_phone(tmp_path: Path) -> None:
    html = render_text(tmp_path, "| A | B |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |")

    assert re.findall(r"<td([^>]*)>(\d)", html) == [
        ("", "1"),
        (' data-label="B" class="wide"', "2"),
        ("", "3"),
        (' data-label="B" class="wide"', "4"),
    ]


def test_anchors_are_those_of_the_repository() -> None:
    assert anchor("Find a batch") == "find-a-batch"
    assert anchor("What's recorded") == "whats-recorded"
