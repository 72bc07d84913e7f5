"""`Award Badge` to up to 50 members at once, and its errors."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.models import Award, Batch, Entry, Quest, Role


@pytest.fixture
def quest(make: Make) -> Quest:
    return make.quest("Answered 50 questions", make.badge("Helper"))


def send(browser: ReviewingClient, quest: object, to: str, **more: object) -> Answer:
    htmx = bool(more.pop("htmx", False))
    data = {"quest": quest, "to": to, "reason": "", **more}
    return browser.post("/badges/award", data, htmx=htmx)


def awards(app: Flask) -> list[Award]:
    with app.app_context():
        return list(db.session.scalars(select(Award).order_by(Award.id)))


def typed(answer: Answer) -> str:
    field = answer.page.select_one("textarea#to")
    assert field is not None
    return field.get_text()


def names(number: int, prefix: str = "g") -> str:
    return ", ".join(f"{prefix}{place}" for place in range(1, number + 1))


def test_the_button_leads_to_the_form(as_manager: ReviewingClient, quest: Quest) -> None:
    """M-7: a dialog for htmx, otherwise a page; quest, `To`, optional `Reason`."""
    link = as_manager.get("/badges").page.select_one('.actions a[href="/badges/award"]')
    assert link is not None
    assert link.get_text(strip=True) == "Award Badge"
    for answer in (as_manager.get("/badges/award"), as_manager.htmx("/badges/award")):
        form = answer.page.select_one("form#award-form")
        assert form is not None
        assert form.select_one(f'input[name=quest][value="{quest.id}"]') is not None
        assert form.select_one("textarea[name=to]") is not None
        assert form.select_one("input[name=reason]") is not None
    assert answer.page.select_one("dialog[data-open]") is not None


def test_a_group_is_awarded(
    app: Flask, as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-8, M-11: the result says how many were awarded, who already had it and who can't receive it."""
    ids = make.members(4, "g")
    make.award(ids[0], quest.id)
    make.member("bo", status="suspended")
    answer = send(as_manager, quest.id, "@g1; g2\ng3\tG4, bo,g2", reason="Well done")
    assert (answer.status_code, answer.location) == (303, "/badges?awarded=1")
    page = as_manager.get(answer.location)
    assert page.words(".note.success").startswith(
        "Helper awarded to 3 members. 1 member already had it."
    )
    assert page.words(".flashes") == "Only active members can receive badges: bo is suspended."
    made = awards(app)[1:]
    assert {(one.member_id, one.source, one.reason) for one in made} == {
        (member_id, "group", "Well done") for member_id in ids[1:]
    }
    answer = send(as_manager, quest.id, "g1,g2", htmx=True)
    assert answer.headers["HX-Redirect"] == "/badges"
    words = as_manager.get("/badges").words(".flashes")
    assert words == "2 members already have Helper. Nothing was changed."


@pytest.mark.parametrize("htmx", [False, True])
def test_unknown_names_are_named_each_with_near_ones(
    app: Flask, as_manager: ReviewingClient, make: Make, quest: Quest, htmx: bool
) -> None:
    """M-9: nothing is awarded, and the input is kept; choosing a similar member replaces the name."""
    for name in ("marta.silva", "joao", "anna"):
        make.member(name)
    text = "anna, marta.slva, <b>qqqqqq</b>"
    answer = send(as_manager, quest.id, text, reason="typed", htmx=htmx)
    assert answer.status_code == 422
    assert answer.words("#to-error").startswith("2 usernames weren't found.")
    first, second = answer.page.select("#unknown fieldset")
    assert first.legend is not None
    assert second.legend is not None
    assert first.legend.get_text() == "marta.slva"
    assert [one["value"] for one in first.select("input[type=radio]")] == ["marta.silva"]
    assert second.legend.get_text() == "<b>qqqqqq</b>"
    assert "No similar usernames." in second.get_text()
    assert typed(answer) == text
    assert "Award the 1 found" in answer.words("footer")
    assert awards(app) == []

    chosen = {"unknown": ["marta.slva", "<b>qqqqqq</b>"], "near-0": "marta.silva"}
    answer = send(as_manager, quest.id, text, htmx=htmx, **chosen)
    assert answer.words("#to-error").startswith("1 username wasn't found.")
    assert typed(answer) == "anna, marta.silva, <b>qqqqqq</b>"
    assert "Award the 2 found" in answer.words("footer")
    answer = send(as_manager, quest.id, typed(answer), then="found", htmx=htmx)
    assert answer.status_code == (200 if htmx else 303)
    words = as_manager.get("/badges?awarded=1").words(".note.success")
    assert words.startswith("Helper awarded to 2 members.")


@pytest.mark.databases("sqlite", "postgresql")
def test_forty_nine_unknown_of_fifty(
    app: Flask, as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-9: every one is listed; in a fixed number of queries."""
    make.members(2, "g")

    def count(text: str) -> int:
        with app.app_context(), statements() as seen:
            answer = send(as_manager, quest.id, text)
        assert answer.status_code == 422
        assert len(answer.page.select("#unknown fieldset")) == text.count("nobody")
        return len(seen)

    assert count("g1, nobody1") == count("g1, " + names(49, "nobody"))


def test_none_found_can_not_be_awarded(as_manager: ReviewingClient, quest: Quest) -> None:
    """M-9: there is no button to award the rest; sending the form anyway repeats the error."""
    answer = send(as_manager, quest.id, "nobody", then="found")
    assert answer.status_code == 422
    assert "found" not in answer.words("footer")


@pytest.mark.parametrize(
    ("quest_value", "text", "place", "said"),
    [
        ("", "anna", "#quest-error", "Choose a badge."),
        ("x", "anna", "#quest-error", "This badge doesn't exist."),
        ("9" * 30, "anna", "#quest-error", "This badge doesn't exist."),
        ("1", "", "#to-error", "Enter at least one username."),
        ("1", " ,;\n\t", "#to-error", "Enter at least one username."),
    ],
)
def test_missing_values_are_reported_at_their_field(
    app: Flask,
    as_manager: ReviewingClient,
    make: Make,
    quest: Quest,
    quest_value: str,
    text: str,
    place: str,
    said: str,
) -> None:
    """M-7: the input is kept."""
    make.member("anna")
    answer = send(as_manager, quest_value, text, reason="typed")
    assert answer.status_code == 422
    assert answer.words(place) == said
    assert typed(answer) == text
    assert awards(app) == []


def test_all_missing_values_are_reported_at_once(
    app: Flask, as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-7, M-9: next to the badge, the names and the reason."""
    make.member("lena.maes")
    answer = send(as_manager, "", "lena.mae", reason="x" * 501)
    assert answer.status_code == 422
    assert answer.words("#quest-error") == "Choose a badge."
    assert "1 username wasn't found." in answer.words("#to-error")
    assert "The reason is 501 characters long; the limit is 500." in answer.words("#reason-error")
    assert "lena.maes" in answer.words("#unknown")
    assert awards(app) == []


def test_a_quest_archived_while_the_window_is_open(
    as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-15: the error names the badge."""
    make.member("anna")
    old = make.quest("Old", make.badge("Antique"), archived_at=NOW)
    answer = send(as_manager, old.id, "anna")
    said = "Antique is archived and can't be awarded."
    assert (answer.status_code, answer.words("#quest-error")) == (422, said)


def test_200_kb_are_refused_with_a_sentence(
    app: Flask, as_manager: ReviewingClient, quest: Quest
) -> None:
    """M-8: the count reports it too; above half a megabyte the request itself is rejected."""
    text = "someone, " * 22_222
    answer = send(as_manager, quest.id, text)
    assert answer.status_code == 422
    assert answer.words("#to-error").startswith(
        "The list has 199,998 characters; the limit is 100,000"
    )
    answer = as_manager.htmx("/badges/award/count", {"to": text})
    assert answer.words("#to-count") == "too long"


@pytest.mark.parametrize(
    ("text", "said"), [("", "0 / 50"), ("@anna, ANNA; bo", "2 / 50"), (names(51), "51 / 50")]
)
def test_the_count_is_that_of_the_names(as_manager: ReviewingClient, text: str, said: str) -> None:
    """M-8: repeated names count once."""
    assert as_manager.htmx("/badges/award/count", {"to": text}).words("#to-count") == said


def test_more_than_fifty_continue_as_a_batch(
    app: Flask, as_dev: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-10: the limit is stated; the draft has these members, this quest, and the reason as its name."""
    make.members(51, "g")
    answer = send(as_dev, quest.id, names(51), reason="Fair")
    assert answer.status_code == 422
    assert answer.words("#to-error") == "You've entered 51 usernames; the limit is 50."
    button = answer.page.select_one('button[formaction="/badges/award/batch"]')
    assert button is not None
    assert button.get_text(strip=True) == "Continue as a batch"
    data = {"quest": quest.id, "to": names(51) + ", nobody", "reason": "Fair"}
    answer = as_dev.post("/badges/award/batch", data)
    assert answer.status_code == 303
    page = as_dev.get(answer.location)
    assert page.words(".flashes") == "1 username wasn't found and isn't in the batch: nobody."
    with app.app_context():
        batch = db.session.scalars(select(Batch)).one()
        assert (batch.draft, batch.entry_count, batch.quest_id, batch.name) == (
            True,
            51,
            quest.id,
            "Fair",
        )
        assert len(db.session.scalars(select(Entry)).all()) == 51
    assert awards(app) == []
    answer = as_dev.post("/badges/award/batch", data, htmx=True)
    assert answer.headers["HX-Redirect"].startswith("/batches/")


def test_a_thousand_unknown_names_fit_a_message(
    as_dev: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-10: as many as a cookie can hold, and the number of the others."""
    make.member("anna")
    text = "anna, " + ", ".join(f"\N{SNOWMAN}{number}" for number in range(1000))
    answer = as_dev.post("/badges/award/batch", {"quest": quest.id, "to": text})
    words = as_dev.get(answer.location).words(".flashes")
    assert words.startswith("1,000 usernames weren't found and aren't in the batch: \N{SNOWMAN}0,")
    assert " more." in words


def test_a_batch_that_can_not_be_is_refused(
    app: Flask, as_dev: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-10: more than a batch holds, no members, an archived badge: an error and no draft."""
    make.members(2, "g")
    old = make.quest("Old", make.badge("Antique"), archived_at=NOW)
    for quest_id, text, place, said in (
        (quest.id, names(5001), "#to-error", "A batch can have up to 5,000 members"),
        (quest.id, names(60, "no"), "#to-error", "None of these usernames was found."),
        (quest.id, "", "#to-error", "Enter at least one username."),
        (old.id, names(60), "#quest-error", "Antique is archived"),
    ):
        answer = as_dev.post("/badges/award/batch", {"quest": quest_id, "to": text})
        assert answer.status_code == 422
        assert answer.words(place).startswith(said)
        assert typed(answer) == text
    with app.app_context():
        assert db.session.scalars(select(Batch)).all() == []


def test_roles_without_batches_are_not_offered_one(
    as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-10, R-2: a community manager sees what to do instead; the URL gives 403."""
    answer = send(as_manager, quest.id, names(51))
    assert answer.page.select('[formaction="/badges/award/batch"]') == []
    assert "ask an admin or developer" in answer.words("#award-form")
    assert as_manager.post("/badges/award/batch", {"to": "x"}).status_code == 403


def test_support_cannot_award(as_support: ReviewingClient, quest: Quest) -> None:
    """R-1, R-2: there is no button; 403 for each URL."""
    assert as_support.get("/badges").page.select('a[href="/badges/award"]') == []
    assert as_support.get("/badges/award").status_code == 403
    for path in ("/badges/award", "/badges/award/batch", "/badges/award/count"):
        assert as_support.post(path, {"to": "x"}).status_code == 403


@pytest.mark.databases("sqlite", "postgresql")
def test_hostile_names_are_shown_as_they_are(
    as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """M-8: quotes, angle brackets, right-to-left, a NUL; `review` checks the markup."""
    text = "\n".join(
        [
            '"><script>alert(1)</script>',
            "'\"",
            "مريم",
            "\u202eanna",
            "e\u0301",
            "a\x00b",
            "x" * 5000,
        ]
    )
    for htmx in (False, True):
        answer = send(as_manager, quest.id, text, reason='"><i>', htmx=htmx)
        assert answer.status_code == 422
        assert "<script>alert(1)</script>" in typed(answer)
        assert typed(answer) == text.replace("\x00", "\ufffd")


# Undo


def test_a_group_award_offers_its_recipients_and_undo(
    app: Flask, as_manager: ReviewingClient, make: Make, quest: Quest
) -> None:
    """E-6: the message links to a list of the members, and `Undo` revokes all of them, without JavaScript."""
    make.members(3, "g")
    answer = send(as_manager, quest.id, "g1, g2")
    page = as_manager.get(answer.location or "")
    note = page.page.select_one("main .note.success")
    assert note is not None
    assert note.get_text(" ", strip=True) == ("Helper awarded to 2 members. Show 2 recipients Undo")
    link = note.select_one("a")
    assert link is not None
    listed = as_manager.get(str(link["href"]))
    assert [row.select_one("td bdi").get_text() for row in listed.page.select("tbody tr")] == [
        "g1",
        "g2",
    ]
    assert listed.words("tbody").count("Awarded") == 2
    form = listed.page.select_one(".actions form")
    assert form is not None
    assert form["action"] == note.select_one("form")["action"]
    page = as_manager.post(str(form["action"]), {}, follow_redirects=True)
    assert page.words(".flashes") == "Group award undone: Helper revoked from 2 members."
    assert {one.revoke_source for one in awards(app)} == {"group"}
    listed = as_manager.get(str(link["href"]))
    assert listed.words("tbody").count("Revoked") == 2
    assert "Undone" in listed.words("main")
    assert listed.page.select_one(".actions form") is None
    assert not as_manager.get(answer.location or "").page.select("main .note")
    again = as_manager.post(str(form["action"]), {}, follow_redirects=True)
    assert again.words(".flashes") == "Already undone."


def test_only_the_person_who_awarded_is_offered_undo(
    app: Flask, client: ReviewingClient, make: Make, quest: Quest
) -> None:
    """E-6: a colleague sees the recipients and can't undo; Support has no access."""
    make.members(2, "g")
    client.sign_in(make.staff(Role.MANAGER))
    location = send(client, quest.id, "g1, g2").location or ""
    number = location.partition("=")[2]
    client.sign_in(make.staff(Role.ADMIN))
    assert not client.get(location).page.select("main .note")
    listed = client.get(f"/badges/group-awards/{number}")
    assert listed.page.select_one(".actions form") is None
    answer = client.post(f"/badges/group-awards/{number}/undo", {}, follow_redirects=True)
    assert "Only the person who made this group award can undo it." in answer.words(".flashes")
    client.sign_in(make.staff(Role.SUPPORT))
    assert client.get(f"/badges/group-awards/{number}").status_code == 200
    assert client.post(f"/badges/group-awards/{number}/undo", {}).status_code == 403
    assert [one.revoked_at for one in awards(app)] == [None, None]


@pytest.mark.parametrize("number", ["", "x", "999", "9" * 30])
def test_an_address_without_a_group_award_is_the_list(
    as_manager: ReviewingClient, quest: Quest, number: str
) -> None:
    """E-6: nothing is offered if there is nothing to undo."""
    page = as_manager.get(f"/badges?awarded={number}")
    assert page.status_code == 200
    assert not page.page.select("main .note")
