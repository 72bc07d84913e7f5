"""A page names the parts of its URL that it couldn't read, and ignores them."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.models import Batch

ZONE = "Unknown time zone “Mars/Base”"
LINKS = [
    ("/batches?zone=Mars/Base", ZONE),
    ("/batches?tab=archive", "There is no tab “archive”"),
    ("/batches?status=gone", "There is no status “gone”."),
    ("/batches?page=x", "There is no page “x”"),
    ("/members?zone=Mars/Base", ZONE),
    ("/members?status=gone", "There is no status “gone”."),
    ("/members?holds=999", "There is no badge or quest with the number “999”."),
    ("/audit-log?zone=Mars/Base", ZONE),
    ("/audit-log?from=yesterday", "“yesterday” isn't a valid date."),
    ("/insights?zone=Mars/Base", ZONE),
    ("/insights?days=5", "Choose a period of"),
    ("/insights?to=soon", "“soon” isn't a valid date."),
    ("/activities?page=x", "There is no page “x”; showing the first page."),
]


@pytest.mark.parametrize(("link", "sentence"), LINKS)
def test_a_page_names_what_it_could_not_read(
    as_admin: ReviewingClient, link: str, sentence: str
) -> None:
    """An invalid filter, zone or position is reported, not silently ignored."""
    answer = as_admin.get(link)
    assert answer.status_code == 200
    assert sentence in answer.words("main")


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("GET", "/insights/export.csv?days=5", "Choose a period of"),
        ("GET", "/audit-log/export.csv?from=yesterday", "“yesterday” isn't a valid date."),
        ("GET", "/members/export.csv?status=gone", "There is no status “gone”."),
        ("GET", "/badges/1/holders.csv?source=gift", "There is no source “gift”"),
        ("GET", "/members/batches?status=gone", "There is no status “gone”."),
        ("POST", "/members/batch?status=gone", "There is no status “gone”."),
        ("POST", "/members/batches?holds=999", "There is no badge or quest with the number"),
        ("POST", "/members/selection/export?status=gone", "There is no status “gone”."),
    ],
)
def test_nothing_is_done_with_more_rows_than_the_link_requests(
    app: Flask, as_admin: ReviewingClient, make: Make, method: str, path: str, sentence: str
) -> None:
    """The list is shown instead, and names what it couldn't read."""
    make.award(make.member().id, make.quest().id)
    form = {"all": "1"} if method == "POST" else None
    answer = as_admin.open(path, method=method, data=form, follow_redirects=True)
    assert answer.mimetype == "text/html"
    assert sentence in answer.words("main")
    with app.app_context():
        assert db.session.scalar(select(func.count(Batch.id))) == 0


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status=Gone", "There is no status “Gone”; showing all members."),
        ("page=x", "There is no page “x”; showing the first page."),
        ("page=0", "There is no page “0”; showing the first page."),
        ("q=" + "x" * 201, "A search can have up to 200 characters; the rest was ignored."),
        ("status=" + "x" * 300, "There is no status “" + "x" * 39 + "…”"),
    ],
)
def test_the_members_of_a_batch_do_so_too(
    as_admin: ReviewingClient, make: Make, query: str, sentence: str
) -> None:
    """On the page and in the fragment."""
    batch = make.batch(make.members(3))
    answer = as_admin.get(f"/batches/{batch.id}?{query}")
    assert answer.status_code == 200
    assert sentence in answer.words("#members")


def test_the_history_of_a_member_does_so_too(as_admin: ReviewingClient, make: Make) -> None:
    """On the page and in the fragment."""
    path = f"/members/{make.member('anna').id}?page=last"
    sentence = "There is no page “last”; showing the first page."
    assert sentence in as_admin.get(path).words("#history")
    assert sentence in as_admin.htmx(path).words("#history")


def test_a_readable_link_says_nothing(as_admin: ReviewingClient, make: Make) -> None:
    """The form sends zones without a date, which is not an error."""
    batch = make.batch(make.members(3))
    for link in (
        "/batches?zone=Europe/Berlin&name=x",
        "/members?zone=Europe/Berlin&q=user",
        "/audit-log?zone=UTC&q=x",
        f"/batches/{batch.id}?status=Unpublished&q=user&page=1",
    ):
        answer = as_admin.get(link, follow_redirects=True)
        assert answer.page.select_one("main .note.warning") is None, link
        assert "There is no" not in answer.words("main"), link
