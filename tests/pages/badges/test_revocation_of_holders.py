"""Selected holders lose a badge together, from its page (E-4)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.models import Award, Badge, MemberStatus, Quest


@pytest.fixture
def badge(make: Make) -> Badge:
    return make.badge("Helper")


@pytest.fixture
def quest(make: Make, badge: Badge) -> Quest:
    return make.quest("First", badge)


@pytest.fixture
def awards(make: Make, quest: Quest) -> list[int]:
    return [make.award(member_id, quest.id).id for member_id in make.members(3)]


def base(badge: Badge) -> str:
    return f"/badges/{badge.id}"


def asking(badge: Badge, awards: list[int], more: str = "") -> str:
    return f"{base(badge)}/revocation?{more}" + "&".join(f"award={number}" for number in awards)


def active(app: Flask) -> list[int]:
    with app.app_context():
        return list(db.session.scalars(select(Award.id).where(Award.revoked_at.is_(None))))


def usernames(answer: Answer) -> list[str]:
    return [cell.get_text(strip=True) for cell in answer.page.select("#holder-list td a.strong")]


def test_the_selection_is_a_form_without_javascript(
    as_support: ReviewingClient, make: Make, badge: Badge, quest: Quest, awards: list[int]
) -> None:
    """E-4, E-10: a checkbox for each holder, also one who has left; none to check for an erased one."""
    left = make.award(make.member("left", status=MemberStatus.LEFT).id, quest.id).id
    gone = make.award(make.member("Erased member", status=MemberStatus.ERASED).id, quest.id).id
    page = as_support.get(f"{base(badge)}?q=&source=profile").page
    page = as_support.get(f"{base(badge)}?source=profile").page
    form = page.select_one("form#selection[method!=post]")
    assert form is not None
    assert form["action"] == f"{base(badge)}/revocation"
    kept = {field["name"]: field["value"] for field in form.select("input[type=hidden]")}
    assert kept == {"source": "profile"}
    boxes = {
        int(str(box["value"])): box for box in page.select("input[form=selection][name=award]")
    }
    assert set(boxes) == {*awards, left, gone}
    assert [number for number, box in boxes.items() if box.has_attr("disabled")] == [gone]


def test_the_confirmation_says_what_will_happen(
    as_support: ReviewingClient, badge: Badge, awards: list[int]
) -> None:
    """E-4: as a page and as a dialog: how many, who, and that Support must give a reason."""
    for answer in (
        as_support.get(asking(badge, awards[:2])),
        as_support.htmx(asking(badge, awards[:2])),
    ):
        words = answer.words("#revocation")
        assert (
            "2 members will lose this badge immediately. You can undo this for 10 minutes." in words
        )
        assert "user1 user2" in words
        assert "optional" not in words
    page = as_support.get(asking(badge, awards[:2], "q=user&")).page
    assert page.select_one('a[data-close][href$="?q=user#holders"]') is not None


def test_nothing_to_revoke_leads_back(
    as_admin: ReviewingClient, badge: Badge, quest: Quest, awards: list[int]
) -> None:
    """E-4: nothing selected, too many, or already revoked."""
    for numbers, words in (
        ([], "Select at least one holder."),
        (list(range(1, 52)), "You've selected 51 holders; the limit is 50."),
        ([99_999], "Already revoked. Nothing was changed."),
    ):
        answer = as_admin.get(asking(badge, numbers))
        assert (answer.status_code, answer.location) == (303, base(badge))
        assert words in as_admin.get(base(badge)).words("main")
        answer = as_admin.htmx(asking(badge, numbers))
        assert answer.headers["HX-Redirect"] == base(badge)
        as_admin.get(base(badge))


def test_holders_are_revoked_and_restored(
    app: Flask, as_admin: ReviewingClient, badge: Badge, awards: list[int]
) -> None:
    """E-4: the list keeps its filters; the message has Undo, once; a second click changes nothing."""
    sent = {"award": [str(number) for number in awards[:2]], "reason": "Mistake"}
    answer = as_admin.post(f"{base(badge)}/revocation?q=user", sent)
    assert answer.status_code == 303
    assert answer.location == f"{base(badge)}?q=user&revoked=1#holders"
    assert active(app) == awards[2:]
    shown = as_admin.get(answer.location)
    assert "Helper revoked from 2 members." in shown.words("main")
    assert usernames(shown) == ["user3"]
    undo = shown.page.select_one('form[action="/badges/group-revocations/1/undo"]')
    assert undo is not None
    again = as_admin.post(f"{base(badge)}/revocation?q=user", sent)
    assert again.location == f"{base(badge)}?q=user#holders"
    assert "Already revoked" in as_admin.get(again.location).words("main")
    answer = as_admin.post(str(undo["action"]), {})
    assert answer.location == base(badge)
    assert "Helper restored for 2 members." in as_admin.get(base(badge)).words("main")
    assert len(active(app)) == 3
    as_admin.post(str(undo["action"]), {})
    assert "Already undone." in as_admin.get(base(badge)).words("main")
    assert "revoked from" not in as_admin.get(f"{base(badge)}?revoked=1").words("main .stack")


def test_support_must_give_a_reason(
    app: Flask, as_support: ReviewingClient, badge: Badge, awards: list[int]
) -> None:
    """M-5, R-1: the window stays open with the selection."""
    sent = {"award": [str(number) for number in awards], "reason": " "}
    for answer in (
        as_support.post(f"{base(badge)}/revocation", sent),
        as_support.htmx(f"{base(badge)}/revocation", sent),
    ):
        assert answer.status_code == 422
        assert "Enter a reason." in answer.words("#revocation")
        kept = answer.page.select("#revocation input[name=award]")
        assert sorted(int(str(field["value"])) for field in kept) == awards
    assert sorted(active(app)) == awards


def test_no_one_undoes_the_revocation_of_another(
    app: Flask,
    as_admin: ReviewingClient,
    as_support: ReviewingClient,
    badge: Badge,
    awards: list[int],
) -> None:
    """E-4: Undo isn't offered to others, and refused."""
    as_admin.post(f"{base(badge)}/revocation", {"award": [str(awards[0])]})
    assert as_support.get(f"{base(badge)}?revoked=1").page.select_one(".undo") is None
    as_support.post("/badges/group-revocations/1/undo", {})
    assert "Only the person who revoked it" in as_support.get(base(badge)).words("main")
    assert len(active(app)) == 2
    assert as_admin.post("/badges/group-revocations/7/undo", {}).status_code == 404
    assert as_admin.get(f"{base(badge)}?revoked=7").status_code == 200
