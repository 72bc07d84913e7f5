"""The profile: identity, badges, history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from webapp.models import MemberStatus


def test_a_profile_identifies_the_member(as_support: ReviewingClient, make: Make) -> None:
    """D-5: name, username, ID, email, status, joined."""
    member = make.member(
        "anna",
        name="Anna Brandt",
        external_id="4821",
        email="anna@example.org",
        status=MemberStatus.LEFT,
    )
    answer = as_support.get(f"/members/{member.id}")
    head = answer.words(".head")
    assert head == (
        "AB Anna Brandt anna · ID 4821 · anna@example.org Joined 20 Nov 2026, 12:00 UTC Left"
    )
    assert "No badges yet" in answer.words("main")
    current = answer.page.select_one('nav a[aria-current="page"]')
    assert current is not None
    assert current.get_text(strip=True) == "Members"


def test_a_member_without_name_and_email_has_a_profile(
    as_support: ReviewingClient, make: Make
) -> None:
    """D-5: the username is shown instead of the name."""
    member = make.member("anna", email=None)
    assert as_support.get(f"/members/{member.id}").words("h1") == "anna"


def test_current_badges_are_cards_and_the_history_has_the_rest(
    as_support: ReviewingClient, make: Make
) -> None:
    """M-5, M-6: a card for each badge; the history has what was awarded and revoked, newest first."""
    mara = make.staff(name="Mara Kovač")
    member_id = make.member("anna").id
    badge = make.badge("Helper")
    kept, lost = make.quest("Kept", badge), make.quest("Lost", badge)
    batch = make.batch([member_id], kept, "Spring <i>meetup</i>")
    make.award(member_id, kept.id, source="batch", batch_id=batch.id, awarded_by=mara.id)
    make.award(
        member_id,
        lost.id,
        awarded_at=NOW - timedelta(days=2),
        awarded_by=mara.id,
        revoked_at=NOW - timedelta(days=1),
        revoked_by=mara.id,
        revoke_reason="By mistake",
    )
    answer = as_support.get(f"/members/{member_id}")
    (card,) = answer.page.select("article")
    assert " ".join(card.get_text(" ").split()) == (
        "Helper Kept 20 Nov 2026, 12:00 UTC · by Mara Kovač , in the batch "
        "“ Spring <i>meetup</i> ” Revoke Badge"
    )
    assert answer.page.select_one(f'#history td a[href="/batches/{batch.id}"]') is not None
    rows = [" ".join(row.get_text(" ").split()) for row in answer.page.select("#history tbody tr")]
    assert rows == [
        "Awarded Helper (Kept) Mara Kovač , in the batch “ Spring <i>meetup</i> ” "
        "20 Nov 2026, 12:00 UTC",
        "Revoked Helper (Lost) “ By mistake ” Mara Kovač 19 Nov 2026, 12:00 UTC",
        "Awarded Helper (Lost) Mara Kovač , from profile 18 Nov 2026, 12:00 UTC",
    ]


def test_a_long_history_is_paginated(as_support: ReviewingClient, make: Make) -> None:
    """M-6: 25 entries per page; each page has its own URL, and htmx gets only the list."""
    member_id = make.member("anna").id
    quest = make.quest()
    for day in range(20):
        make.award(member_id, quest.id, awarded_at=NOW - timedelta(days=day), revoked_at=NOW)
    answer = as_support.get(f"/members/{member_id}")
    assert len(answer.page.select("#history tbody tr")) == 25
    following = answer.page.select_one('#history a[rel="next"]')
    assert following is not None
    path = str(following["href"]).partition("#")[0]
    for page in (as_support.get(path).page, as_support.htmx(path).page):
        assert len(page.select("#history tbody tr")) == 15


@pytest.mark.parametrize("number", ["999", "0", "9" * 18, "9" * 40, "-1", "x", "%00"])
def test_an_unknown_member_has_no_profile(as_support: ReviewingClient, number: str) -> None:
    """D-5: an id that is no member's gives 404, however large."""
    assert as_support.get(f"/members/{number}").status_code == 404


def test_queries_do_not_grow(app: Flask, as_support: ReviewingClient, make: Make) -> None:
    """M-6: the same with one award and with many."""
    member_id = make.member("anna").id

    def count() -> int:
        with app.app_context(), statements() as seen:
            assert as_support.get(f"/members/{member_id}").status_code == 200
        return len(seen)

    make.award(member_id, make.quest().id)
    few = count()
    mara = make.staff()
    for _ in range(12):
        make.award(member_id, make.quest().id, awarded_by=mara.id)
    assert count() == few
