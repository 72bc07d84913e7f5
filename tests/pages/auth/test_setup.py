"""The pages of a new console: the setup link, sign-in before it, and the first steps on Home (E-2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask

from tests.factories import Make
from tests.pages.client import Answer, ReviewingClient
from webapp.domain.actor import Actor
from webapp.domain.staff import first_admin
from webapp.models import Origin, Role
from webapp.transaction import transaction

PASSWORD = "kettle onion tramway 42"


@pytest.fixture
def link(app: Flask) -> str:
    with app.app_context(), transaction():
        key = first_admin.create_link(Actor(datetime.now(UTC), Origin.COMMAND_LINE))
    return f"/setup/{key}"


def test_the_first_admin_sets_up_and_signs_in(link: str, client: ReviewingClient) -> None:
    """Opening the link uses nothing up, and signs no one in; no page of it is stored or passed on."""
    client.get(link)
    opened = client.get(link)
    assert opened.headers["Cache-Control"] == "no-store"
    assert opened.headers["Referrer-Policy"] == "same-origin"
    form = {"email": "Ana@example.org", "name": "Ana", "password": PASSWORD}
    done = client.post(link, form, follow_redirects=True)
    assert "Your account is ready." in done.words("main")
    client.post("/sign-in", {"email": "ana@example.org", "password": PASSWORD})
    home = client.get("/")
    assert "0 of 4" in home.words("#first-steps")
    again = client.get(link)
    assert again.location == "/sign-in"


def test_typed_values_stay_after_an_error(link: str, client: ReviewingClient) -> None:
    """The password must be typed again."""
    answer = client.post(link, {"email": "ana", "name": "Ana", "password": "short"})
    assert answer.status_code == 422
    assert [field["value"] for field in answer.page.select("#email, #name")] == ["ana", "Ana"]
    assert len(answer.page.select("[aria-invalid]")) == 2
    assert answer.page.select_one("#password[value]") is None


def test_a_wrong_or_old_link_says_how_to_get_a_new_one(link: str, client: ReviewingClient) -> None:
    for answer in (client.get("/setup/nothing"), client.post("/setup/nothing", {"email": "a"})):
        assert answer.status_code == 404
        assert "laurel start" in answer.words("main")


def test_the_sign_in_page_says_where_the_link_is(client: ReviewingClient, make: Make) -> None:
    """Only while there is no admin."""
    assert "setup link that laurel start printed" in client.get("/sign-in").words("main")
    make.staff(Role.ADMIN)
    words = client.get("/sign-in").words("main")
    assert "setup link" not in words
    assert "Ask an admin for a reset link." in words


def steps(answer: Answer) -> list[bool]:
    return ["done" in item.get("class", []) for item in answer.page.select("#first-steps li")]


def test_the_checklist_checks_itself_off(client: ReviewingClient, make: Make) -> None:
    """No matter who does it, and where; when all is done it disappears."""
    client.sign_in(make.staff(Role.ADMIN))
    assert steps(client.get("/")) == [False] * 4
    member = make.member()
    assert steps(client.get("/")) == [True, False, False, False]
    quest = make.quest()
    home = client.get("/")
    assert steps(home) == [True, True, False, False]
    assert home.words("#first-steps .primary") == "Award it"
    make.award(member.id, quest.id)
    assert steps(client.get("/")) == [True, True, True, False]
    make.staff(Role.SUPPORT)
    assert client.get("/").page.select_one("#first-steps") is None


def test_a_person_can_hide_the_checklist(client: ReviewingClient, make: Make) -> None:
    """Others still see it."""
    client.sign_in(make.staff(Role.ADMIN))
    home = client.post("/account/hide-first-steps", follow_redirects=True)
    assert home.status_code == 200
    assert home.page.select_one("#first-steps") is None
    assert steps(client.sign_in(make.staff(Role.DEV)).get("/")) == [False] * 3


@pytest.mark.parametrize(("role", "number"), [(Role.DEV, 3), (Role.MANAGER, 3), (Role.SUPPORT, 0)])
def test_the_checklist_has_what_the_role_can_do(
    client: ReviewingClient, make: Make, role: Role, number: int
) -> None:
    """R-2."""
    home = client.sign_in(make.staff(role)).get("/")
    assert len(steps(home)) == number


def test_without_badges_nothing_offers_to_award(as_admin: ReviewingClient, make: Make) -> None:
    """M-7: not on Home, the badges or a profile; an old link to the form says what to do first."""
    member = make.member()
    make.badge("Antique", archived_at=datetime.now(UTC))
    for path in ("/", "/badges"):
        assert "Award Badge" not in as_admin.get(path).words("main")
    assert "Award" not in as_admin.get("/members").words("#selection")
    assert "There are no badges to award yet." in as_admin.get(f"/members/{member.id}").words(
        "#give"
    )
    form = as_admin.get("/badges/award")
    assert "No badges to award" in form.words("main")
    assert form.page.select_one("main a[href='/badges/new']")
    make.quest()
    for path in ("/", "/badges"):
        assert "Award Badge" in as_admin.get(path).words("main")
    assert "Award" in as_admin.get("/members").words("#selection")
