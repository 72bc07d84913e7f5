"""The community's name and logo, in place of Laurel's (E-11)."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask
from PIL import Image

from tests.counting import statements
from tests.factories import Make
from tests.pages.badges.test_settings import png
from tests.pages.client import Answer, ReviewingClient
from webapp import create_app
from webapp.config import Settings
from webapp.database import db
from webapp.models import Role

PAGE = "/settings/community"


def title(answer: Answer) -> str:
    shown = answer.page.title
    assert shown is not None
    return shown.get_text()


def logo_of(answer: Answer, place: str) -> str:
    image = answer.page.select_one(f"{place} img.logo")
    return str(image["src"]) if image else ""


@pytest.mark.databases("sqlite", "postgresql")
def test_the_name_stands_where_laurel_did(
    as_admin: ReviewingClient, as_support: ReviewingClient, client: ReviewingClient
) -> None:
    """In the menu, in titles and on the sign-in page, at once and for everyone; removing it shows Laurel again."""
    assert title(client.get("/sign-in")) == "Sign in · Laurel"
    saved = as_admin.post(f"{PAGE}/name", {"name": "  Gardeners’   Forum "})
    assert "Name changed." in as_admin.get(saved.headers["Location"]).words("main")
    for browser, path, place in (
        (as_support, "/badges", ".side .brand"),
        (client, "/sign-in", ".hero"),
        (client, "/help", ".topbar"),
    ):
        answer = browser.get(path)
        assert title(answer).endswith("· Gardeners’ Forum"), path
        assert answer.words(place) == "Gardeners’ Forum", path
    assert "from “Laurel” to “Gardeners’ Forum”" in as_admin.get("/audit-log").words("main")

    as_admin.post(f"{PAGE}/name", {"name": ""})
    assert as_support.get("/badges").words(".side .brand") == "Laurel"


@pytest.mark.databases("sqlite", "postgresql")
def test_the_logo_is_shown_and_removed(
    as_admin: ReviewingClient, client: ReviewingClient, make: Make
) -> None:
    """Re-encoded as WebP, and public, as the sign-in page shows it; an old URL no longer exists."""
    as_admin.post(f"{PAGE}/logo", {"image": (png((300, 100)), "logo.png")})
    address = logo_of(client.get("/sign-in"), ".hero")
    assert logo_of(as_admin.get("/"), ".side") == address
    served = client.get(address, review=False)
    assert (served.mimetype, served.headers["Cache-Control"]) == (
        "image/webp",
        "public, max-age=31536000, immutable",
    )
    assert Image.open(BytesIO(served.data)).size == (300, 100)

    page = as_admin.get(as_admin.post(f"{PAGE}/logo/removal").headers["Location"])
    assert "Logo removed." in page.words("main")
    assert logo_of(client.get("/sign-in"), ".hero") == ""
    assert client.get(address, review=False).status_code == 404
    log = as_admin.get("/audit-log").words("main")
    assert "changed the community's logo" in log
    assert "removed the community's logo" in log


def test_a_second_identical_change_says_and_records_nothing(as_admin: ReviewingClient) -> None:
    for _ in range(2):
        as_admin.post(f"{PAGE}/name", {"name": "Forum"})
        as_admin.post(f"{PAGE}/logo", {"image": (png(), "logo.png")})
    log = as_admin.get("/audit-log").words("tbody")
    assert log.count("changed the community's name") == 1
    assert log.count("changed the community's logo") == 1


def test_invalid_input_is_refused_and_kept(as_admin: ReviewingClient) -> None:
    """The reason is next to the field."""
    answer = as_admin.post(f"{PAGE}/name", {"name": "x" * 130})
    assert answer.status_code == 422
    assert "The name is 130 characters long" in answer.words("#name-error")
    typed = answer.page.select_one("#name")
    assert typed is not None
    assert typed["value"] == "x" * 130
    for file, said in (
        ((BytesIO(b"<svg/>"), "logo.svg"), "This isn't a PNG, WebP or JPEG image."),
        ((BytesIO(b""), ""), "Choose an image first."),
    ):
        answer = as_admin.post(f"{PAGE}/logo", {"image": file})
        assert answer.status_code == 422
        assert said in answer.words("#image-file-error")
    assert as_admin.get("/").words(".side .brand") == "Laurel"


def test_only_admins_change_it(as_dev: ReviewingClient) -> None:
    refused = as_dev.post(f"{PAGE}/name", {"name": "Mine"})
    assert refused.status_code == 403
    assert "Only admins can change the community's name, logo and Open Badges." in refused.words(
        "main"
    )
    assert as_dev.get("/").page.select_one(f'a[href="{PAGE}"]') is None


def test_it_costs_signed_in_pages_no_statement(
    app: Flask, as_admin: ReviewingClient, as_support: ReviewingClient
) -> None:
    def count() -> int:
        with app.app_context(), statements() as sent:
            as_support.get("/badges")
        return len(sent)

    before = count()
    as_admin.post(f"{PAGE}/name", {"name": "Forum"})
    as_admin.post(f"{PAGE}/logo", {"image": (png(), "logo.png")})
    assert count() == before


def test_another_process_shows_it_at_once(
    as_admin: ReviewingClient, database: Settings, make: Make
) -> None:
    other = create_app(database)
    browser = ReviewingClient(other, None, use_cookies=True)
    browser.sign_in(make.staff(Role.DEV))
    assert browser.get("/badges").words(".side .brand") == "Laurel"
    as_admin.post(f"{PAGE}/name", {"name": "Forum"})
    assert browser.get("/badges").words(".side .brand") == "Forum"
    with other.app_context():
        db.session.remove()
        db.engine.dispose()
