"""`Single`: suggestions while typing, `Add` and its messages (B-6, B-18 to B-20)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from tests.counting import statements
from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.database import db
from webapp.domain.batches import drafts
from webapp.models import Batch


def add(browser: ReviewingClient, batch: Batch | None, text: str, **more: object) -> Answer:
    """Press `Add`; `by` and `name` in `more` are fields."""
    fields = {"by": more.pop("by", "username"), "member": text, "upload_type": "single"}
    fields |= {name: more.pop(name) for name in ("name", "quest") if name in more}
    return browser.post(
        f"/batches/{batch.id}/members" if batch else "/batches/members", fields, **more
    )


def listed(answer: Answer) -> list[str]:
    return [one.get_text() for one in answer.page.select("#members tbody a.strong")]


def test_the_fields(make: Make, as_admin: ReviewingClient) -> None:
    """B-6, B-18: `Multiple` or `Single`; a choice, a text field, `Add`."""
    for address in ("/batches/new", f"/batches/{make.batch().id}"):
        page = as_admin.get(address).page
        kinds = page.select("[name=upload_type]")
        assert [one["value"] for one in kinds if one.has_attr("checked")] == ["multiple"]
        words = [label.get_text() for label in page.select("#single .choice label")]
        assert words == ["User ID", "Username"]
        assert page.select_one("#single [name=by][checked]")["value"] == "username"
        assert page.select_one("#single button").get_text() == "Add"


def test_usernames_while_typing(make: Make, as_admin: ReviewingClient) -> None:
    """B-18: at most ten, with avatar, username and name; none for an ID; each option has an accessible name."""
    make.members(12, prefix="fam")
    make.member("Famous", name="Fay <b>Moss</b>")
    answer = as_admin.htmx("/batches/usernames?member=Fam&by=username")
    options = answer.page.select("ul#usernames[role=listbox] > li[role=option]")
    assert len(options) == 10
    assert len({one["id"] for one in options}) == 10
    (only,) = as_admin.htmx("/batches/usernames?member=famo").page.select("li")
    assert only["data-value"] == "Famous"
    assert only.select_one(".avatar")
    assert "Fay <b>Moss</b>" in only.get_text()
    for nothing in (
        "?member=fam&by=id",
        "?member=",
        "",
        "?member=%00",
        "?member=" + "f" * 3000,
        "?member=%ff",
    ):
        empty = as_admin.htmx(f"/batches/usernames{nothing}")
        assert empty.page.select_one("#usernames[hidden]")
        assert not empty.page.select("li")


def test_add_without_javascript(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-19, B-20: the form is saved too, the page says who was added, and they are first in the list."""
    make.members(2)
    batch, quest = make.batch(name="Old name"), make.quest()
    answer = add(as_admin, batch, "user1", name="New name", quest=quest.id)
    assert answer.status_code == 303
    page = as_admin.get(answer.location)
    assert "user1 added." in page.words("main")
    assert page.page.select_one("[name=upload_type][value=single][checked]")
    assert page.page.select_one("#name")["value"] == "New name"
    second = add(as_admin, batch, "USER2", by="id", follow_redirects=True)
    assert listed(second) == ["user2", "user1"]


def test_add_by_htmx(make: Make, as_admin: ReviewingClient) -> None:
    """B-19, B-20: the fields are emptied, the new member comes first, with a message; the name is not saved yet."""
    batch = make.batch(make.members(1), name="Old name")
    make.member("anna")
    answer = add(as_admin, batch, "anna", name="Half typed", htmx="single")
    assert answer.status_code == 200
    assert answer.page.select_one("#single #member")["value"] == ""
    assert answer.page.select_one("#member[autofocus]")
    assert answer.page.select_one("hx-partial[hx-target='#members'] #members")
    assert listed(answer) == ["anna", "user1"]
    assert "anna added." in answer.words("hx-partial[hx-target='#toasts'] [role=status]")
    assert as_admin.get(f"/batches/{batch.id}").page.select_one("#name")["value"] == "Old name"


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user1", "This user is already in the batch."),
        ("nobody", "User was not found."),
        ("", "Enter a username."),
        ("a\x00b", "User was not found."),
        ("x" * 5000, "User was not found."),
        ("<script>", "User was not found."),
    ],
)
def test_the_messages(
    make: Make, as_admin: ReviewingClient, text: str, said: str, htmx: bool
) -> None:
    """B-19: in red below the field, and the input is kept."""
    batch = make.batch(make.members(1))
    answer = add(as_admin, batch, text, name="Typed name", htmx=htmx)
    assert answer.status_code == 422
    assert answer.words("#single #member-error.error[role=alert]") == said
    field = answer.page.select_one("#single #member[aria-invalid=true]")
    assert field["value"] == text.replace("\x00", "\ufffd")[:1000]
    if not htmx:
        assert answer.page.select_one("#name")["value"] == "Typed name"
        assert answer.page.select_one("[name=upload_type][value=single][checked]")


def test_adding_makes_the_draft(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-7: `Add` on a new batch keeps name and badge; on error, no draft is created and the input is kept."""
    make.members(1)
    quest = make.quest()
    refused = add(as_admin, None, "nobody", name="Fair", quest=quest.id)
    assert refused.status_code == 422
    assert refused.words("#member-error") == "User was not found."
    assert refused.page.select_one("#name")["value"] == "Fair"
    with app.app_context():
        assert db.session.scalars(select(Batch)).all() == []
    page = add(as_admin, None, "user1", name="Fair", quest=quest.id, follow_redirects=True)
    assert "user1 added." in page.words("main")
    assert listed(page) == ["user1"]
    assert page.page.select_one("#name")["value"] == "Fair"
    assert page.page.select_one("[name=quest][checked]")["value"] == str(quest.id)


def test_an_error_in_the_name_is_shown_next_to_it(make: Make, as_admin: ReviewingClient) -> None:
    """B-4: and no member is added."""
    make.members(1)
    for batch in (make.batch(), None):
        answer = add(as_admin, batch, "user1", name="n" * 200)
        assert answer.status_code == 422
        assert "the limit is 120" in answer.words("#name-error")
        assert answer.page.select_one("#member")["value"] == "user1"


def test_the_limit(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-12: rejected with both numbers."""
    batch = make.batch(make.members(5000))
    make.member("one_more")
    answer = add(as_admin, batch, "one_more", htmx=True)
    assert answer.status_code == 422
    assert "This batch is full: it can have up to 5,000 members." in answer.words("#member-error")


def test_a_running_batch(make: Make, as_admin: ReviewingClient) -> None:
    """B-36: rejected with the reason, in place of the field."""
    batch = make.batch(make.members(2)[:1], published=True)
    answer = add(as_admin, batch, "user2", htmx=True)
    assert answer.status_code == 422
    assert "This batch is Unpublished." in answer.words("#member-error")
    assert add(as_admin, batch, "user2").status_code == 422


def test_only_permitted_roles_have_access(
    make: Make, client: ReviewingClient, as_dev: ReviewingClient, as_manager: ReviewingClient
) -> None:
    """B-3, R-2: developers can; managers can't, not even look up usernames; when signed out, it leads to sign-in."""
    make.members(1)
    batch = make.batch()
    assert add(as_manager, batch, "user1").status_code == 403
    assert as_manager.htmx("/batches/usernames?member=u").status_code == 403
    assert add(as_dev, batch, "user1").status_code == 303
    asked = client.htmx("/batches/usernames?member=u")
    assert asked.status_code == 401
    assert "/sign-in" in asked.headers["HX-Redirect"]
    assert add(client, batch, "user1", htmx=True).status_code == 401


def test_after_the_publish(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """B-36: the first member added to a finished batch reloads the whole page, with `Publish` in its header."""
    make.members(2)
    batch = make.batch([], published=True)
    first = add(as_admin, batch, "user1", htmx=True)
    assert first.headers["HX-Redirect"] == f"/batches/{batch.id}?upload_type=single"
    page = as_admin.get(first.headers["HX-Redirect"])
    assert "user1 added." in page.words("main")
    assert "Publish" in page.words(".actions")
    assert add(as_admin, batch, "user2", htmx=True).page.select_one("#single")
    with app.app_context():
        assert drafts.get(batch.id).entry_count == 2


def test_a_deleted_batch(as_admin: ReviewingClient) -> None:
    """W86: 404."""
    assert as_admin.post("/batches/77/members", {"member": "x"}).status_code == 404


def test_a_fixed_number_of_queries(app: Flask, make: Make, as_admin: ReviewingClient) -> None:
    """Adding needs the same in a batch of one and of 300."""
    ids = make.members(400)
    counted = []
    for size in (1, 300):
        batch = make.batch(ids[:size])
        with app.app_context(), statements() as seen:
            assert add(as_admin, batch, "user399", htmx=True).status_code == 200
        counted.append(len(seen))
    assert counted[0] == counted[1]
