"""`Home`: what needs attention and what is running, for each role, in a fixed number of queries (E-1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import Answer, ReviewingClient
from tests.pages.members.test_directory import override_limit
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.webhooks import endpoints
from webapp.models import Batch, MemberImport, Origin, Role, WebhookEvent
from webapp.transaction import transaction

ACTOR = Actor(at=NOW, origin=Origin.CONSOLE)


def tasks(answer: Answer, card: str) -> list[str]:
    """The rows of a card, as text."""
    found = answer.page.select(f"section[aria-labelledby={card}-title] li")
    return [" ".join(row.get_text(" ").split()) for row in found]


def change(app: Flask, model: type, row_id: int, **values: object) -> None:
    with app.app_context(), transaction():
        db.session.execute(update(model).where(model.id == row_id).values(**values))


@pytest.fixture
def busy(app: Flask, make: Make) -> None:
    """One of everything that needs attention, a running batch and a running import."""
    quest = make.quest("Helped", make.badge("Helper"))
    members = make.members(4)
    soon = datetime.now(UTC)
    failed = make.batch(members, quest, "Failed partly")
    change(app, Batch, failed.id, status="partially_published", errors=1, published=3)
    running = make.batch(members, quest, "Running well", published=True)
    change(app, Batch, running.id, run_at=soon, updated_at=soon, run_processed=1)
    change(app, Batch, running.id, status="in_progress")
    make.batch(members, quest, "Stuck", published=True)
    make.member_import()
    change(app, MemberImport, make.member_import(b"ID\r\n1\r\n"), status="running", rows=2)
    with app.app_context(), transaction():
        address = "https://hooks.example.org/"
        hook = endpoints.create(address, [WebhookEvent.AWARD_CREATED], (), ACTOR)
        hook.endpoint.failures = 3


@pytest.mark.databases("sqlite", "postgresql")
def test_an_admin_sees_what_needs_attention_and_what_runs(
    busy: None, as_admin: ReviewingClient
) -> None:
    """Each with its numbers and a link to where one acts on it."""
    answer = as_admin.get("/")
    assert tasks(answer, "attention") == [
        "Stuck No progress. See Settings, System. Stalled",
        "Failed partly 1 error among 4 members Partially published",
        "https://hooks.example.org/ Messages aren't arriving Failing",
        "members.csv 1 row, not imported yet Match columns",
    ]
    assert tasks(answer, "running") == [
        "Stuck 0 of 4 members Unpublished",
        "Running well 1 of 4 members In Progress 25% 25%",
        "members.csv Importing members In Progress 0% 0%",
    ]
    for link in answer.page.select(".tasks a"):
        assert as_admin.get(str(link["href"])).status_code == 200
    assert as_admin.get("/", htmx=True).page.select_one("#work[hx-trigger='every 1s']")


@pytest.mark.parametrize(
    ("role", "attention", "actions"),
    [
        (Role.DEV, 4, ["Import members", "Create Badge", "Create Batch"]),
        (Role.MANAGER, 1, ["Import members", "Create Badge"]),
        (Role.SUPPORT, 0, []),
    ],
)
def test_each_role_sees_what_it_can_act_on(
    busy: None, client: ReviewingClient, make: Make, role: Role, attention: int, actions: list[str]
) -> None:
    """R-2: running batches are for everyone; imports, batches and webhooks for the roles that handle them."""
    answer = client.sign_in(make.staff(role)).get("/")
    assert len(tasks(answer, "attention")) == attention
    assert [link.get_text(strip=True) for link in answer.page.select(".actions-now a")] == actions
    assert ("Award Badge" in answer.words(".actions")) == (role != Role.SUPPORT)
    assert tasks(answer, "running")[0] == "Stuck 0 of 4 members Unpublished"
    assert len(tasks(answer, "running")) == (2 if role == Role.SUPPORT else 3)


@pytest.mark.databases("sqlite", "postgresql")
def test_drafts_are_the_persons_own(app: Flask, as_dev: ReviewingClient, make: Make) -> None:
    """Several that were created at once from Members, which have one entry in the audit log, are all there."""
    make.batch(make.members(7), name="Somebody else's")
    with override_limit(app, 3):
        as_dev.post("/members/batches", {"name": "Mine", "members": "7"})
    drafts = tasks(as_dev.get("/"), "attention")
    assert len(drafts) == 3
    assert all(draft.startswith("Mine") for draft in drafts)


def test_nothing_to_do_is_said_calmly(as_admin: ReviewingClient) -> None:
    """Without work the page doesn't poll."""
    answer = as_admin.get("/")
    assert "Nothing needs your attention." in answer.words("#work")
    assert answer.page.select_one("#work[hx-get]") is None
    assert not answer.page.select("section[aria-labelledby=running-title]")


def test_work_that_ends_leaves_the_list_and_ends_polling(
    app: Flask, as_admin: ReviewingClient, make: Make
) -> None:
    """B-26: the last response has no polling attributes."""
    batch = make.batch(make.members(2), published=True)
    change(app, Batch, batch.id, run_at=datetime.now(UTC), updated_at=datetime.now(UTC))
    assert as_admin.get("/", htmx=True).page.select_one("#work[hx-trigger]")
    change(app, Batch, batch.id, status="partially_published", errors=2)
    done = as_admin.get("/", htmx=True)
    assert done.page.select_one("#work[hx-trigger]") is None
    assert len(tasks(done, "attention")) == 1


@pytest.mark.databases("sqlite", "postgresql")
def test_queries_dont_grow_with_what_there_is(
    app: Flask, busy: None, as_admin: ReviewingClient, make: Make
) -> None:
    """The page and its polled part, with one and with many of everything."""

    def counted(htmx: bool) -> int:
        as_admin.get("/", htmx=htmx)  # the session's last use
        with app.app_context(), statements() as sent:
            as_admin.get("/", htmx=htmx)
        return len(sent)

    few = counted(False), counted(True)
    for number in range(12):
        batch = make.batch(
            make.members(2, f"more{number}-"), name=f"Batch {number}", published=True
        )
        if number % 2:
            change(app, Batch, batch.id, status="partially_published", errors=1, published=1)
        make.member_import(f"ID\r\n{number}\r\n".encode())
    with app.app_context(), transaction():
        for number in range(6):
            made = endpoints.create(f"https://{number}.example.org/", ["award.created"], (), ACTOR)
            made.endpoint.failures = 1
    assert (counted(False), counted(True)) == few
    assert few[0] <= 16
    shown = tasks(as_admin.get("/"), "attention")
    assert {"All 7 stalled batches", "All 7 partially published batches"} <= set(shown)
    assert {"All 13 unfinished imports", "All 7 failing webhooks"} <= set(shown)


@pytest.mark.databases("sqlite", "postgresql")
def test_the_last_ten_actions_and_fourteen_days(
    app: Flask, as_support: ReviewingClient, make: Make
) -> None:
    """L-1: newest first, without signing in and out; the chart has its table."""
    quest = make.quest()
    make.award(make.members(1)[0], quest.id, awarded_at=datetime.now(UTC))
    with app.app_context(), transaction():
        for number in range(12):
            at = NOW + timedelta(minutes=number)
            verb = "staff.signed_in" if number % 6 == 5 else "badge.created"
            audit_log.write(Actor(at=at, origin=Origin.CONSOLE), verb, "badge", quest.badge_id)
    answer = as_support.get("/")
    assert len(tasks(answer, "latest")) == 10
    assert "signed in" not in answer.words("section[aria-labelledby=latest-title]")
    days = answer.page.select("section[aria-labelledby=chart-heading] tbody tr")
    assert len(days) == 14
    assert days[0].select("td")[0].get_text() == "1"


def test_a_member_is_found_by_id_email_and_name(as_support: ReviewingClient, make: Make) -> None:
    """Suggestions are links to profiles; without htmx the search is that of Members."""
    ana = make.member("ana", email="a.silva@example.org", name="Ana Silva")
    for text in ("ana", "a.silva@", "silva", ana.external_id):
        found = as_support.get(f"/members/suggestions?q={text}", htmx=True)
        assert [str(link["href"]) for link in found.page.select("a")] == [f"/members/{ana.id}"], (
            text
        )
    assert not as_support.get("/members/suggestions?q=+", htmx=True).page.select("a")
    form = as_support.get("/").page.select_one("form[role=search]")
    assert form is not None
    assert form["action"] == "/members"
    plain = as_support.get("/members/suggestions?q=ana")
    assert plain.location == "/members?q=ana"
    assert as_support.get(plain.location).page.select_one(f"a[href='/members/{ana.id}']")
