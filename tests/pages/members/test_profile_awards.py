"""Award, revoke and undo on a profile: with plain forms and htmx, for each role."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.models import AuditEvent, Award, Member, Quest


@pytest.fixture
def anna(make: Make) -> Member:
    return make.member("anna", name="Anna <b>Brandt</b>")


@pytest.fixture
def quest(make: Make) -> Quest:
    return make.quest("Answered 50 questions", make.badge("Helper"))


def awards(app: Flask) -> list[Award]:
    with app.app_context():
        return list(db.session.scalars(select(Award).order_by(Award.id)))


def give(browser: ReviewingClient, anna: Member, quest: object, **more: object) -> Answer:
    return browser.post(f"/members/{anna.id}/awards", {"quest": quest, "reason": "", **more})


def undo_url(anna: Member, award_id: int) -> str:
    return f"/members/{anna.id}/awards/{award_id}/restoration"


def revocation_url(anna: Member, award_id: int) -> str:
    return f"/members/{anna.id}/awards/{award_id}/revocation"


def test_the_drop_down_has_quests_not_held(
    as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """M-4: a badge with one quest is a single option, others are groups; held and archived ones are left out."""
    many = make.badge("Many")
    first, second = make.quest("First", many), make.quest("Second", many, position=1)
    make.award(anna.id, second.id)
    held = make.quest("Held", make.badge("Only"))
    make.award(anna.id, held.id)
    make.quest("Old", make.badge("Old", archived_at=NOW))
    page = as_manager.get(f"/members/{anna.id}").page
    options = {one["value"]: one.get_text() for one in page.select("#quest option")}
    assert options == {
        "": "Choose a badge to award",
        str(quest.id): "Helper",
        str(first.id): "First",
    }
    assert [group["label"] for group in page.select("#quest optgroup")] == ["Many"]


def test_an_award_is_at_once_on_the_profile(
    app: Flask, as_manager: ReviewingClient, anna: Member, quest: Quest
) -> None:
    """M-4: a plain form shows a message on the next page; it names badge and member."""
    answer = give(as_manager, anna, quest.id, reason="For the fair")
    assert (answer.status_code, answer.location) == (303, f"/members/{anna.id}")
    page = as_manager.get(answer.location)
    assert page.words(".flashes") == "Helper awarded to Anna <b>Brandt</b>."
    assert page.words("article").startswith("Helper Answered 50 questions")
    assert "“ For the fair ”" in page.words("#history tbody")
    assert awards(app)[0].source == "profile"


def test_htmx_gets_badges_history_and_message(
    as_manager: ReviewingClient, anna: Member, quest: Quest
) -> None:
    """M-4: one fragment, without a reload."""
    answer = as_manager.htmx(f"/members/{anna.id}/awards", {"quest": quest.id})
    assert answer.status_code == 200
    assert answer.words("#awards article").startswith("Helper")
    assert "Awarded Helper" in answer.words("#awards #history")
    assert answer.words(".toast") == "Helper awarded to Anna <b>Brandt</b>."
    assert "already has every available badge" in answer.words("#give")


def test_a_quest_of_several_is_named(as_manager: ReviewingClient, make: Make, anna: Member) -> None:
    """M-4: the message names the quest."""
    badge = make.badge("Many")
    make.quest("First", badge)
    answer = as_manager.htmx(
        f"/members/{anna.id}/awards", {"quest": make.quest("Second", badge).id}
    )
    assert answer.words(".toast").endswith("Many (Second) awarded to Anna <b>Brandt</b>.")


@pytest.mark.parametrize("htmx", [False, True])
def test_awarding_to_a_holder_says_so(
    app: Flask, as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest, htmx: bool
) -> None:  # M-13
    make.award(anna.id, quest.id)
    answer = as_manager.post(f"/members/{anna.id}/awards", {"quest": quest.id}, htmx=htmx)
    shown = answer if htmx else as_manager.get(answer.location)
    words = shown.words(".toast" if htmx else ".flashes")
    assert words == "Anna <b>Brandt</b> already has Helper."
    assert len(awards(app)) == 1


@pytest.mark.parametrize("chosen", ["", "0", "x", "-1", "999", "9" * 40, "1.5", "\x00", "٣"])
@pytest.mark.parametrize("htmx", [False, True])
def test_award_errors_are_shown_next_to_the_field(
    app: Flask, as_manager: ReviewingClient, anna: Member, quest: Quest, chosen: str, htmx: bool
) -> None:
    """M-4: and the input is kept."""
    answer = as_manager.post(
        f"/members/{anna.id}/awards", {"quest": chosen, "reason": "typed <i>"}, htmx=htmx
    )
    assert answer.status_code == 422
    said = "Choose a badge." if not chosen else "This badge doesn't exist."
    assert answer.words("#quest-error") == said
    field = answer.page.select_one("#reason")
    assert field is not None
    assert field["value"] == "typed <i>"
    assert awards(app) == []


def test_a_quest_archived_in_between_is_rejected(
    as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """M-4, M-15: with the reason."""
    old = make.quest("Old", make.badge("Antique"), archived_at=NOW)
    answer = give(as_manager, anna, old.id)
    assert answer.status_code == 422
    assert answer.words("#quest-error") == "Antique is archived and can't be awarded."


@pytest.mark.parametrize("reason", ["x" * 501, "a\x00b"])
def test_a_reason_that_can_not_be_kept_stays_in_its_field(
    as_manager: ReviewingClient, anna: Member, quest: Quest, reason: str
) -> None:
    """M-4: with the choice next to it."""
    answer = give(as_manager, anna, quest.id, reason=reason)
    assert answer.status_code == 422
    assert answer.words("#reason-error")
    chosen = answer.page.select_one("#quest option[selected]")
    assert chosen is not None
    assert chosen["value"] == str(quest.id)


@pytest.mark.parametrize(
    ("status", "why"), [("left", "has left the community"), ("suspended", "is suspended")]
)
def test_only_active_members_receive(
    app: Flask, as_manager: ReviewingClient, make: Make, quest: Quest, status: str, why: str
) -> None:
    """D-5: there is no form; the request anyway gets the reason."""
    bo = make.member("bo", status=status)
    page = as_manager.get(f"/members/{bo.id}")
    assert page.words("#give") == f"bo {why}. Only active members can receive badges."
    answer = give(as_manager, bo, quest.id)
    assert answer.status_code == 422
    assert f"bo {why}" in answer.words("#give")
    assert awards(app) == []


def test_an_unknown_member_is_404(as_manager: ReviewingClient, quest: Quest) -> None:
    """M-4: erased while the profile was open; htmx gets a message."""
    assert as_manager.post("/members/999/awards", {"quest": quest.id}).status_code == 404
    answer = as_manager.htmx("/members/999/awards", {"quest": quest.id})
    assert answer.status_code == 404
    assert answer.page.select_one(".toast") is not None


def test_the_window_is_a_page_and_a_fragment(
    as_support: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """M-5: with its own URL; if the award no longer exists, the profile says so."""
    made = make.award(anna.id, quest.id)
    url = revocation_url(anna, made.id)
    link = as_support.get(f"/members/{anna.id}").page.select_one(f'a[href="{url}"]')
    assert link is not None
    assert link.get_text(strip=True) == "Revoke Badge"
    for answer in (as_support.get(url), as_support.htmx(url)):
        assert "Helper Answered 50 questions" in answer.words("dialog[open]")
    gone = as_support.get(revocation_url(anna, 999))
    assert gone.location == f"/members/{anna.id}"
    assert (
        as_support.get(gone.location).words(".flashes") == "This member no longer has this badge."
    )
    assert as_support.htmx(revocation_url(anna, 999)).status_code == 404


def test_revoking_and_undoing_with_plain_forms(
    app: Flask, as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """M-5: the message has an `Undo`, and so does the history."""
    made = make.award(anna.id, quest.id)
    answer = as_manager.post(revocation_url(anna, made.id), {"reason": "By mistake"})
    assert answer.status_code == 303
    page = as_manager.get(answer.location)
    assert page.words(".note") == "Helper revoked. Undo"
    assert page.page.select("article") == []
    assert "Revoked Helper “ By mistake ”" in page.words("#history")
    forms = page.page.select(f'form[action="{undo_url(anna, made.id)}"]')
    assert len(forms) == 2
    answer = as_manager.post(undo_url(anna, made.id), {})
    back = as_manager.get(answer.location)
    assert back.words(".flashes") == "Helper restored for Anna <b>Brandt</b>."
    assert len(back.page.select("article")) == 1
    assert "Restored Helper" in back.words("#history")
    page = as_manager.get(f"/members/{anna.id}?revoked={made.id}")
    assert page.page.select("form.undo") == []


def test_revoking_and_undoing_by_htmx(
    as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """M-5: the dialog closes, the badge is removed, the message has an `Undo`; then it is restored."""
    made = make.award(anna.id, quest.id)
    answer = as_manager.htmx(revocation_url(anna, made.id), {"reason": ""})
    assert answer.status_code == 200
    assert answer.headers["HX-Trigger"] == "dialog-close"
    assert answer.page.select("#awards article") == []
    assert answer.words(".toast") == "Helper revoked. Undo"
    answer = as_manager.htmx(undo_url(anna, made.id), {})
    assert len(answer.page.select("#awards article")) == 1
    assert answer.words(".toast") == "Helper restored for Anna <b>Brandt</b>."
    answer = as_manager.htmx(undo_url(anna, made.id), {})
    assert answer.words(".toast") == "Already undone."


def test_revoking_twice_is_once(
    app: Flask, as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """M-5: in two tabs, or by a double click."""
    made = make.award(anna.id, quest.id)
    for _ in range(2):
        answer = as_manager.post(revocation_url(anna, made.id), {"reason": ""})
        assert answer.status_code == 303
    words = as_manager.get(answer.location).words(".flashes")
    assert words == "Helper has already been revoked."
    with app.app_context():
        assert len(db.session.scalars(select(AuditEvent)).all()) == 1


@pytest.mark.parametrize("htmx", [False, True])
def test_support_must_say_why(
    app: Flask, as_support: ReviewingClient, make: Make, anna: Member, quest: Quest, htmx: bool
) -> None:
    """M-5, R-1: the dialog asks again; with a reason the badge is revoked."""
    made = make.award(anna.id, quest.id)
    answer = as_support.post(revocation_url(anna, made.id), {"reason": " "}, htmx=htmx)
    assert answer.status_code == 422
    assert answer.words("dialog #revoke-reason-error").startswith("Enter a reason.")
    assert not htmx or answer.headers["HX-Retarget"] == "#dialog"
    assert awards(app)[0].revoked_at is None
    answer = as_support.post(revocation_url(anna, made.id), {"reason": "Asked for"}, htmx=htmx)
    assert answer.status_code == (200 if htmx else 303)
    assert awards(app)[0].revoke_reason == "Asked for"


def test_someone_elses_revocation_is_not_undone(
    as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """M-5: no `Undo` is shown, nor after ten minutes; the request anyway gets the reason."""
    now = datetime.now(UTC)
    other = make.staff()
    made = make.award(
        anna.id, quest.id, revoked_at=now, revoked_by=other.id, revoke_source="profile"
    )
    page = as_manager.get(f"/members/{anna.id}?revoked={made.id}").page
    assert page.select("form.undo") == []
    answer = as_manager.htmx(undo_url(anna, made.id), {})
    assert answer.words(".toast") == "Only the person who revoked it can undo this."
    mine = make.staff("manager")
    old = make.award(
        anna.id,
        quest.id,
        revoked_at=now - timedelta(minutes=11),
        revoked_by=mine.id,
        revoke_source="profile",
    )
    browser = as_manager.sign_in(mine)
    assert browser.get(f"/members/{anna.id}?revoked={old.id}").page.select("form.undo") == []
    answer = browser.post(undo_url(anna, old.id), {})
    words = browser.get(answer.location).words(".flashes")
    assert words.startswith("You can undo this only within 10 minutes.")


@pytest.mark.parametrize(
    "path", ["awards/{}/revocation", "awards/{}/restoration"], ids=["revoke", "undo"]
)
def test_another_members_award_is_not_found(
    as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest, path: str
) -> None:
    """M-5: 404 for another member's award, and for ids that don't exist."""
    made = make.award(make.member("bo").id, quest.id)
    for number in (made.id, 999, 2**63 - 1):
        url = f"/members/{anna.id}/" + path.format(number)
        assert as_manager.post(url, {"reason": "x"}).status_code == 404


def test_support_sees_no_way_to_award(
    app: Flask, as_support: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """R-1, R-2: missing from the page, and 403 with the roles that have access."""
    made = make.award(anna.id, make.quest().id)
    page = as_support.get(f"/members/{anna.id}").page
    assert page.select("#give") == []
    assert page.select(f'a[href="{revocation_url(anna, made.id)}"]') != []
    answer = give(as_support, anna, quest.id)
    assert answer.status_code == 403
    assert "Only admins, developers and community managers can award badges." in answer.text
    assert len(awards(app)) == 1


def test_queries_do_not_grow(
    app: Flask, as_manager: ReviewingClient, make: Make, anna: Member, quest: Quest
) -> None:
    """M-4, M-5: actions and pages need the same with one award and with many."""
    made = make.award(anna.id, make.quest().id)

    def count(quest_id: int, award_id: int) -> list[int]:
        numbers = []
        for path, data in (
            ("awards", {"quest": quest_id}),
            (f"awards/{award_id}/revocation", None),
            (f"awards/{award_id}/revocation", {"reason": ""}),
            (f"awards/{award_id}/restoration", {}),
        ):
            with app.app_context(), statements() as seen:
                answer = as_manager.htmx(f"/members/{anna.id}/{path}", data)
                assert answer.status_code == 200, path
            numbers.append(len(seen))
        return numbers

    few = count(quest.id, made.id)
    for _ in range(12):
        made = make.award(anna.id, make.quest().id)
        make.quest()
    assert count(make.quest().id, made.id) == few
    assert max(few) < 25, few
