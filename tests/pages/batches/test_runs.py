"""Forecast, retry, dismiss, undo, stop and search on a batch's page; two people, two tabs, any state."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.batches.test_publication import change, confirm, saved, work
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.models import AuditEvent, Award, Badge, Batch, Entry, Member, Quest
from webapp.transaction import transaction


def buttons(answer: Answer) -> list[str]:
    """The buttons in the page header."""
    return [one.get_text(strip=True) for one in answer.page.select("#actions a, #actions button")]


def done(app: Flask, batch: Batch) -> None:
    work(app, batch, 20)


def suspend(app: Flask, *member_ids: int, status: str = "suspended") -> None:
    with app.app_context(), transaction():
        db.session.execute(update(Member).where(Member.id.in_(member_ids)).values(status=status))


def verbs(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id)))


@pytest.fixture
def partly(app: Flask, make: Make) -> Batch:
    """A `Partially published` batch: three unlocked, two failed and since reactivated."""
    ids = make.members(5)
    suspend(app, *ids[3:])
    batch = make.batch(ids, name="Partly", published=True)
    done(app, batch)
    suspend(app, *ids[3:], status="active")
    return batch


# The forecast


def test_the_forecast_in_words(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-21: a page, and for htmx a dialog; the numbers with their nouns, the badge, one button."""
    ids, quest = make.members(5), make.quest("Came by", make.badge("Guest"))
    make.award(ids[0], quest.id)
    make.award(ids[1], quest.id, revoked_at=NOW)
    suspend(app, ids[2])
    batch = make.batch(ids, quest, "Many")
    address = f"/batches/{batch.id}/publication"
    for answer in (as_admin.get(address), as_admin.htmx(address)):
        words = answer.words("#publication")
        for part in ("Many", "Guest", "Came by", "Will receive the badge 3", "Already have it 1"):
            assert part in words
        assert "Can't receive it 1" in words
        assert "1 member who will receive it had it revoked before." in words
        assert "1 member has left or is suspended and will be marked Error." in words
        form = answer.page.select_one("#publication form")
        assert (form["action"], form["method"]) == (address, "post")
    assert saved(app, batch).draft


def test_a_forecast_takes_a_fixed_number_of_queries(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-21: as many for 300 members as for two."""
    counted = []
    for number in (2, 300):
        batch = make.batch(make.members(number, f"n{number}-"))
        with app.app_context(), statements() as sent:
            as_admin.htmx(f"/batches/{batch.id}/publication")
        counted.append(len(sent))
    assert counted[0] == counted[1] <= 7


def test_by_htmx_the_form_is_saved_and_the_window_follows(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-21, X29: the response has the dialog to request and the form's new version, so the next save is no conflict."""
    batch = make.batch(make.members(1), name="Before")
    page = as_admin.get(f"/batches/{batch.id}").page
    button = page.find("button", string="Publish")
    assert (button["hx-post"], button["hx-target"]) == (f"/batches/{batch.id}", "#dialog")
    sent = {
        "name": "Typed",
        "quest": batch.quest_id,
        "version": page.select_one("#version")["value"],
        "then": "publish",
    }
    answer = as_admin.htmx(f"/batches/{batch.id}", sent)
    assert answer.headers["HX-Push-Url"] == "false"
    onward = answer.page.select_one("#onward")
    assert onward["hx-get"] == f"/batches/{batch.id}/publication"
    assert (onward["hx-target"], onward["hx-trigger"]) == ("#dialog", "load")
    sent["version"] = answer.page.select_one("hx-partial #version")["value"]
    assert as_admin.post(f"/batches/{batch.id}", {**sent, "name": "Again"}).status_code == 303
    assert saved(app, batch).name == "Again"


@pytest.mark.databases("sqlite", "postgresql")
def test_members_added_after_the_forecast(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-21, X29: 409, a new forecast that says why, and its button publishes."""
    batch = make.batch(make.members(2))
    window = as_admin.get(f"/batches/{batch.id}/publication")
    (late,) = make.members(1, "late")
    with app.app_context(), transaction():
        db.session.add(Entry(batch_id=batch.id, member_id=late, attempts=0))
        db.session.execute(update(Batch).values(entry_count=3))
    again = confirm(as_admin, window)
    assert again.status_code == 409
    assert "The batch has changed since this forecast" in again.words("#publication")
    assert "Will receive the badge 3" in again.words("#publication")
    assert "to 3 members…" in confirm(as_admin, again).words("main")


@pytest.mark.parametrize("kind", [Quest, Badge])
def test_archived_between_forecast_and_publish(
    app: Flask, make: Make, as_admin: ReviewingClient, kind: type
) -> None:
    """M-15: 422 with the reason next to the badge; the draft stays, even if it was published before."""
    batch = make.batch(make.members(2))
    window = as_admin.get(f"/batches/{batch.id}/publication")
    with app.app_context(), transaction():
        db.session.execute(update(kind).values(archived_at=NOW))
    answer = confirm(as_admin, window)
    assert answer.status_code == 422
    assert "is archived" in answer.words("#quest-error")
    assert saved(app, batch).draft
    change(app, batch, status="published", published_at=NOW)
    again = as_admin.get(f"/batches/{batch.id}/publication")
    assert again.status_code == 422
    assert "is archived" in again.words("#quest-error")


def test_a_member_who_leaves_before_publishing_is_an_error(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-15, B-25: publishing continues; that member is an error with the reason."""
    ids = make.members(2)
    batch = make.batch(ids)
    window = as_admin.get(f"/batches/{batch.id}/publication")
    suspend(app, ids[0], status="left")
    assert "to 2 members…" in confirm(as_admin, window).words("main")
    done(app, batch)
    page = as_admin.get(f"/batches/{batch.id}?status=Error")
    assert "This member has left the community." in page.words("#members tbody")


@pytest.mark.parametrize("sent", [{}, {"version": "x", "members": "-1"}, {"version": "9" * 40}])
def test_a_publish_that_names_no_forecast(
    make: Make, as_admin: ReviewingClient, sent: dict[str, str]
) -> None:
    """B-22: an invalid number counts as missing."""
    batch = make.batch()
    answer = as_admin.post(f"/batches/{batch.id}/publication", sent)
    assert (answer.status_code, answer.location) == (303, "/batches")


# Afterwards


def test_only_possible_actions_have_buttons(
    app: Flask, make: Make, as_admin: ReviewingClient, partly: Batch
) -> None:
    """B-36 to B-40: only actions that are possible now."""
    page = f"/batches/{partly.id}"
    assert buttons(as_admin.get("/batches/new")) == ["Save draft", "Publish"]
    draft = make.batch(make.members(1, "d"))
    assert buttons(as_admin.get(f"/batches/{draft.id}")) == [
        "Delete draft", "Save draft", "Publish",
    ]  # fmt: skip
    assert buttons(as_admin.get(page)) == ["Undo batch", "Dismiss", "Save", "Retry"]
    as_admin.post(page + "/retries", {})
    assert buttons(as_admin.get(page)) == ["Stop", "Save"]
    done(app, partly)
    assert buttons(as_admin.get(page)) == ["Undo batch", "Save"]
    as_admin.post(page + "/reversal", {})
    assert buttons(as_admin.get(page)) == ["Save"]
    done(app, partly)
    assert buttons(as_admin.get(page)) == ["Save"]


def test_retry(app: Flask, as_admin: ReviewingClient, partly: Batch) -> None:
    """B-37: immediately, without a question; pressing again shows the current state."""
    form = as_admin.get(f"/batches/{partly.id}").page.select_one("#actions form")
    assert form.button.get_text(strip=True) == "Retry"
    assert form["action"] == f"/batches/{partly.id}/retries"
    page = as_admin.post(form["action"], {}, follow_redirects=True)
    assert "Retrying 2 members…" in page.words("main")
    assert page.words("#progress") == "In Progress 0% 0%"
    page = as_admin.post(form["action"], {}, follow_redirects=True)
    assert "This batch is already running." in page.words("main")
    done(app, partly)
    page = as_admin.post(form["action"], {}, follow_redirects=True)
    assert "This batch has no errors left." in page.words("main")
    assert page.words("#progress") == "Published"
    assert verbs(app).count("batch.retried") == 1


def test_dismiss_asks_for_confirmation_and_says_how_many(
    app: Flask, as_admin: ReviewingClient, partly: Batch
) -> None:
    """B-37: a dialog, then they are removed; pressing again changes nothing."""
    address = f"/batches/{partly.id}/dismissal"
    for window in (as_admin.get(address), as_admin.htmx(address)):
        assert (
            "2 members with errors will be removed, and Partly will become Published."
            in window.words("#dismissal")
        )
    page = as_admin.post(address, {}, follow_redirects=True)
    assert "2 members removed from the batch." in page.words("main")
    assert page.words("#progress") == "Published"
    assert len(page.page.select("#members tbody tr")) == 3
    again = as_admin.post(address, {}, follow_redirects=True)
    assert "This batch has no errors left." in again.words("main")
    assert "There are no errors to dismiss" in as_admin.get(address).words("#dismissal")
    assert verbs(app).count("batch.dismissed") == 1


def test_undo_asks_for_confirmation_and_marks_the_batch(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-23, B-38: how many are revoked and kept; progress; `Undone`; the entries have their outcome."""
    ids, quest = make.members(4), make.quest()
    make.award(ids[0], quest.id)
    batch = make.batch(ids, quest, "Mistaken", published=True)
    done(app, batch)
    address = f"/batches/{batch.id}/reversal"
    for window in (as_admin.get(address), as_admin.htmx(address)):
        words = window.words("#undo")
        assert "Badges to remove 3" in words
        assert "Badges to keep 1" in words
        assert "3 members will lose the badge that Mistaken gave them" in words
    page = as_admin.post(address, {}, follow_redirects=True)
    assert "Undoing “Mistaken”…" in page.words("main")
    assert page.words("#progress") == "In Progress 0% 0% Being undone"
    assert page.page.select_one("#progress[hx-get]")
    again = as_admin.post(address, {}, follow_redirects=True)
    assert "This batch is already being undone." in again.words("main")
    work(app, batch, 1, 2)
    assert "50%" in as_admin.htmx(f"/batches/{batch.id}/progress").words("#progress")
    done(app, batch)
    page = as_admin.get(f"/batches/{batch.id}")
    assert page.words("#progress") == "Published Undone"
    said = page.words("#members tbody")
    assert said.count("Removed") == 3
    assert said.count("Kept (had it before this batch)") == 1
    assert "This batch was undone. You can't add members to it." in page.words("#add-members")
    assert "Undone" in as_admin.get("/batches").words("tbody")
    assert "was already undone" in as_admin.post(address, {}, follow_redirects=True).words("main")
    assert "This batch was undone." in as_admin.get(address).words("#undo")
    with app.app_context():
        active = select(func.count()).where(Award.revoked_at.is_(None))
        assert db.session.scalar(active) == 1
    assert verbs(app).count("batch.undone") == 1


def test_stop_asks_for_confirmation_and_retry_continues(
    app: Flask, make: Make, as_admin: ReviewingClient
) -> None:
    """B-40: the entries left say who stopped it; pressing again reports that it had finished."""
    batch = make.batch(make.members(10), name="Long", published=True)
    work(app, batch, 1, 4)
    address = f"/batches/{batch.id}/halt"
    for window in (as_admin.get(address), as_admin.htmx(address)):
        assert "4 of 10 are done; the remaining 6 members will be marked Error." in window.words(
            "#stop"
        )
    page = as_admin.post(address, {}, follow_redirects=True)
    assert "Batch stopped. 6 members marked Error." in page.words("main")
    assert page.words("#progress") == "Partially published 6 errors"
    errors = as_admin.get(f"/batches/{batch.id}?status=Error").words("#members tbody")
    assert errors.count("Stopped by Staff ") == 6
    again = as_admin.post(address, {}, follow_redirects=True)
    assert "This batch had already finished." in again.words("main")
    assert "There is nothing to stop" in as_admin.get(address).words("#stop")
    as_admin.post(f"/batches/{batch.id}/retries", {})
    done(app, batch)
    assert as_admin.get(f"/batches/{batch.id}").words("#progress") == "Published"


def test_in_the_wrong_state_the_reason_is_shown(
    app: Flask, make: Make, as_admin: ReviewingClient, partly: Batch
) -> None:
    """B-36 to B-40: never a 500, no change, one sentence."""
    draft, running = make.batch(name="D"), make.batch(make.members(1, "r"), published=True)
    undone = make.batch(make.members(1, "u"), published=True)
    done(app, undone)
    as_admin.post(f"/batches/{undone.id}/reversal", {})
    for batch, noun, words in (
        (draft, "retries", "This batch is Draft."),
        (draft, "dismissal", "This batch is Draft."),
        (draft, "reversal", "You can undo only finished batches. This batch is Draft."),
        (running, "reversal", "You can undo only finished batches. This batch is Unpublished."),
        (running, "dismissal", "This batch is Unpublished."),
        (undone, "retries", "This batch was undone"),
        (undone, "dismissal", "This batch was undone"),
        (undone, "halt", "You can't stop an undo"),
        (make.batch(published=True), "reversal", "nothing to undo"),
    ):
        answer = as_admin.post(f"/batches/{batch.id}/{noun}", {}, follow_redirects=True)
        assert words in answer.words("main"), (noun, words)
        if noun != "retries":
            assert as_admin.get(f"/batches/{batch.id}/{noun}").status_code == 200
    assert "You can add members once errors are retried or dismissed." in as_admin.get(
        f"/batches/{partly.id}"
    ).words("#add-members")


def test_roles_and_addresses_of_nothing(
    make: Make, as_support: ReviewingClient, as_manager: ReviewingClient, as_dev: ReviewingClient,
    client: ReviewingClient, partly: Batch,
) -> None:  # fmt: skip
    """R-1, R-2, B-3: others see no button; people who are signed out go to sign-in; 404 without a batch."""
    for browser in (as_support, as_manager):
        assert buttons(browser.get(f"/batches/{partly.id}")) == []
        for noun in ("retries", "dismissal", "reversal", "halt", "publication"):
            assert browser.post(f"/batches/{partly.id}/{noun}", {}).status_code == 403
            if noun != "retries":
                assert browser.get(f"/batches/{partly.id}/{noun}").status_code == 403
    for noun in ("retries", "dismissal", "reversal", "halt", "publication"):
        assert as_dev.post(f"/batches/999/{noun}", {}).status_code == 404
        assert client.post(f"/batches/{partly.id}/{noun}", {}).status_code == 303
        if noun != "retries":
            assert as_dev.get(f"/batches/999/{noun}").status_code == 404
            assert client.htmx(f"/batches/{partly.id}/{noun}").status_code == 401
    assert as_dev.post(f"/batches/{partly.id}/retries", {}).status_code == 303


def test_a_batch_that_ends_while_its_page_is_open(
    app: Flask, make: Make, as_admin: ReviewingClient, as_support: ReviewingClient
) -> None:
    """B-26: its last response has the buttons and the form to add members; readers get only the status."""
    batch = make.batch(make.members(2), published=True)
    assert "You can add members once" in as_admin.get(f"/batches/{batch.id}").words("#add-members")
    assert "hx-partial" not in as_admin.htmx(f"/batches/{batch.id}/progress").text
    done(app, batch)
    answer = as_admin.htmx(f"/batches/{batch.id}/progress")
    assert buttons(answer) == ["Undo batch", "Save"]
    assert answer.page.select_one("hx-partial[hx-target='#add-members'] #open-upload")
    assert "hx-partial" not in as_support.htmx(f"/batches/{batch.id}/progress").text


# Two people, two tabs


def test_two_managers_on_one_draft(
    app: Flask, make: Make, as_admin: ReviewingClient, as_dev: ReviewingClient
) -> None:
    """X29: 409 with both versions, and the input is kept; saving again overwrites; the same with htmx."""
    other = make.quest("Other quest", make.badge("Other badge"))
    batch = make.batch(make.members(1), name="Before")
    address = f"/batches/{batch.id}"
    version = as_admin.get(address).page.select_one("#version")["value"]
    theirs = {"name": "Theirs", "quest": other.id, "version": version, "then": "save"}
    assert as_dev.post(address, theirs).status_code == 303
    mine = {"name": "Mine", "quest": batch.quest_id, "version": version, "then": "save"}
    for answer in (
        as_admin.htmx(address, {**mine, "then": "publish"}),
        as_admin.post(address, mine),
    ):
        assert answer.status_code == 409
        words = answer.words("#heading .note")
        assert "has changed this batch in the meantime." in words
        assert "Current version: Theirs , badge Other badge ." in words
        assert answer.page.select_one("#name")["value"] == "Mine"
        assert answer.page.select_one(f"#heading input[value='{batch.quest_id}'][checked]")
    assert saved(app, batch).name == "Theirs"
    mine["version"] = answer.page.select_one("#version")["value"]
    assert as_admin.post(address, mine).status_code == 303
    assert (saved(app, batch).name, saved(app, batch).quest_id) == ("Mine", batch.quest_id)


def test_a_refusal_does_not_hide_a_conflict(
    app: Flask, make: Make, as_admin: ReviewingClient, as_dev: ReviewingClient
) -> None:
    """X29: after an error about the name, the form still has the version it was based on."""
    batch = make.batch(name="Before")
    address = f"/batches/{batch.id}"
    sent = {"name": "x" * 10_000, "quest": batch.quest_id, "version": batch.version}
    as_dev.post(address, {**sent, "name": "Theirs"})
    sent["version"] = saved(app, batch).version
    refused = as_admin.post(address, sent)
    assert refused.status_code == 422
    assert refused.page.select_one("#version")["value"] == str(sent["version"])
    as_dev.post(address, {**sent, "name": "Newer"})
    assert as_admin.post(address, {**sent, "name": "Mine"}).status_code == 409


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 400, "٣"])
def test_a_version_that_is_no_number(
    app: Flask, make: Make, as_admin: ReviewingClient, version: str
) -> None:
    """X29: counts as missing; never a 500."""
    batch = make.batch()
    sent = {"name": "Saved", "quest": batch.quest_id, "version": version}
    assert as_admin.post(f"/batches/{batch.id}", sent).status_code == 303
    assert saved(app, batch).name == "Saved"


# Search


def test_search_among_the_members(make: Make, as_support: ReviewingClient) -> None:
    """B-35: by the start of username, ID or email, with the status; in the URL, for every role; never a 500."""
    batch = make.batch([*make.members(30, "reader"), make.member("anna").id])
    page = as_support.get(f"/batches/{batch.id}?q=ANN&status=Unpublished")
    assert page.page.select_one("#members-q")["value"] == "ANN"
    assert "anna" in page.words("#members tbody")
    assert len(page.page.select("#members tbody tr")) == 1
    assert page.page.select_one("#members form input[name=status]")["value"] == "Unpublished"
    tabs = [tab["href"] for tab in page.page.select("#members .tabs a")]
    assert tabs == [f"/batches/{batch.id}?q=ANN", f"/batches/{batch.id}?status=Unpublished&q=ANN"]
    part = as_support.htmx(f"/batches/{batch.id}?q=reader&page=2")
    assert "26–30 of 30" in part.words("#members .foot")
    assert "q=reader&page=1" in part.page.select_one("#members .foot a")["href"]
    for nonsense in ("%", "x%00y", "%F0%9F%8F%85", "a" * 5000, "%22%3E%3Cscript%3E", "nobody"):
        empty = as_support.get(f"/batches/{batch.id}?q={nonsense}&status=Bogus&page=0")
        assert empty.status_code == 200
        assert "No members found" in empty.words("#members")
