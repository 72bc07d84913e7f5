"""The directory's page: found by prefix, in pages, the same with and without htmx."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.models import MemberStatus


def usernames(answer: Answer) -> list[str]:
    return [cell.get_text(strip=True) for cell in answer.page.select("tbody a.strong")]


def test_members_are_listed_with_what_identifies_them(
    as_support: ReviewingClient, make: Make
) -> None:
    """D-1: username, name, ID, email, status and number of badges."""
    member = make.member(
        "anna",
        name="Anna Brandt",
        external_id="4821",
        email="anna@example.org",
        status=MemberStatus.SUSPENDED,
    )
    make.member("bea", email=None)
    make.award(member.id, make.quest().id)
    answer = as_support.get("/members")
    row = " ".join(answer.page.select("tbody tr")[0].get_text(" ").split())
    assert row == "AB anna Anna Brandt anna@example.org 4821 1 Suspended"
    assert answer.page.select_one(f'a[href="/members/{member.id}"]') is not None
    assert "1–2 of 2 members" in answer.words("main")


def test_search_by_prefix(as_support: ReviewingClient, make: Make) -> None:
    """D-1: one box for ID, username and email; what was typed stays in it."""
    make.member("anna", external_id="17", email="zoe@example.org")
    make.member("zoe", external_id="18")
    answer = as_support.get("/members?q=+ZOE")
    assert usernames(answer) == ["zoe", "anna"]
    box = answer.page.select_one('input[type="search"]')
    assert box is not None
    assert box["value"] == "ZOE"
    assert usernames(as_support.get("/members?q=17")) == ["anna"]


def test_htmx_gets_the_list_alone(as_support: ReviewingClient, make: Make) -> None:
    """D-1: while typing, the list is exchanged and the box keeps the cursor."""
    make.member("anna")
    answer = as_support.htmx("/members?q=a")
    assert usernames(answer) == ["anna"]
    assert answer.page.select_one("#members") is not None
    assert answer.page.select_one("main") is None


def test_pages_keep_the_search(as_support: ReviewingClient, make: Make) -> None:
    """D-1: 25 a page; Next and Previous carry what was searched for."""
    make.members(30)
    first = as_support.get("/members?q=user")
    following = first.page.select_one('a[rel="next"]')
    assert following is not None
    assert len(usernames(first)) == 25
    second = as_support.get(str(following["href"]))
    assert len(usernames(second)) == 5
    assert not set(usernames(first)) & set(usernames(second))
    previous = second.page.select_one('a[rel="prev"]')
    assert previous is not None
    assert usernames(as_support.get(str(previous["href"]))) == usernames(first)


@pytest.mark.parametrize("page", ["0", "-1", "1000000000", "9" * 40, "abc", "", "1.5", "%00"])
def test_a_page_that_does_not_exist_is_the_nearest(
    as_support: ReviewingClient, make: Make, page: str
) -> None:
    """W 81: an address changed by hand never breaks the page."""
    make.member("anna")
    assert usernames(as_support.get(f"/members?page={page}")) == ["anna"]


@pytest.mark.parametrize(
    "text", ["%00", "%ff", "%25", "_", "%27%3B--", "%F0%9F%98%80", "x" * 5000, "%ED%A0%80", "\\"]
)
def test_odd_searches_find_nobody(as_support: ReviewingClient, make: Make, text: str) -> None:
    """D-1: whatever is typed, the answer is a page that says so."""
    make.member("anna")
    answer = as_support.get(f"/members?q={text}")
    assert answer.status_code == 200
    assert "Nobody found" in answer.words("#members")


def test_what_a_member_is_called_is_shown_as_text(as_support: ReviewingClient, make: Make) -> None:
    """W 85: markup in names is text."""
    make.member("<script>alert(1)</script>", name='"><img src=x>')
    page = as_support.get("/members?q=%3Cscript").page
    assert page.select_one("tbody img") is None
    assert page.select_one("tbody script") is None
    assert "<script>alert(1)</script>" in page.select("tbody tr")[0].get_text()


def test_an_empty_directory_says_how_members_come_in(as_support: ReviewingClient) -> None:
    """D-4: the command is named."""
    assert "laurel members import" in as_support.get("/members").words("#members")


def test_queries_do_not_grow(app: Flask, as_support: ReviewingClient, make: Make) -> None:
    """D-1: with one member and with a full page the same."""

    def count(path: str) -> int:
        with app.app_context(), statements() as seen:
            assert as_support.get(path).status_code == 200
        return len(seen)

    paths = "/members", "/members?q=user"
    member_id = make.members(1)[0]
    quest = make.quest()
    few = [count(path) for path in paths]
    make.award(member_id, quest.id)
    for other in make.members(40, "user-"):
        make.award(other, quest.id)
    assert [count(path) for path in paths] == few
