"""The pages of connections: connect, check, pull, map badges, what is pending, compare and repair (CN-1, CN-2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from flask import Flask
from sqlalchemy import select

from jobs import connections as job
from jobs import imports
from tests.adapters.fakes import LOOPBACK, FakeWordPress
from tests.counting import statements
from tests.domain.batches.test_processing import run
from tests.factories import Make
from tests.jobs.process import job_process
from tests.pages.client import ReviewingClient
from webapp.adapters.contract import Check
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.connections import settings
from webapp.domain.connections.settings import ConnectionFields
from webapp.models import AuditEvent, Connection, Member, MemberImport
from webapp.models.badge import Quest

ONE = "/settings/connections/1"


def make_connection(actor: Actor, name: str = "Kettle Club") -> Connection:
    """A connection that has been checked; call it in a transaction."""
    fields = ConnectionFields("wordpress", "https://club.example.org/", "laurel", "secret")
    return settings.create(fields, Check(name, "laurel", "6.8"), (), actor)


@pytest.fixture
def site(app: Flask) -> Iterator[FakeWordPress]:
    """A WordPress that the app, its jobs included, may connect to."""
    with job_process(app, webhook_networks=LOOPBACK), closing(FakeWordPress()) as fake:
        yield fake


def entered(site: FakeWordPress, **changed: str) -> dict[str, str]:
    return {
        "kind": "wordpress",
        "address": f"http://127.0.0.1:{site.to.port}/community/",
        "account": site.credentials.account,
        "secret": site.credentials.secret,
        "match_by": "id",
        "imports_members": "yes",
        "shows_awards": "yes",
        "rate": "6000",
        **changed,
    }


def work(app: Flask) -> None:
    """Run the jobs of all pulls and of the connection."""
    with app.app_context():
        for import_id in db.session.scalars(select(MemberImport.id)).all():
            job.pull(import_id)
            imports.import_members(import_id)
        job.push(1)
        db.session.rollback()


def connect(app: Flask, browser: ReviewingClient, site: FakeWordPress, members: int = 3) -> None:
    """Connect the site, and import its members."""
    site.add_users(members)
    assert browser.post("/settings/connections", entered(site)).status_code == 303
    browser.post(f"{ONE}/pulls")
    work(app)
    browser.post("/members/imports/1/application")
    work(app)


def quest_of(make: Make) -> Quest:
    return make.quest("Answered", make.badge("Helper"))


def test_a_community_is_connected_pulled_and_shown(
    app: Flask, as_dev: ReviewingClient, site: FakeWordPress
) -> None:
    assert "No connections yet" in as_dev.get("/settings/connections").words()
    site.add_users(2)
    answer = as_dev.post("/settings/connections", entered(site))
    assert answer.headers["Location"] == ONE
    page = as_dev.get(ONE)
    assert "Connected to Forum & friends as laurel." in page.words()
    assert site.credentials.secret not in page.text
    started = as_dev.post(f"{ONE}/pulls")
    assert started.headers["Location"] == "/members/imports/1"
    assert "Fetching members" in as_dev.get("/members/imports/1").words()
    work(app)
    assert "To be created" in as_dev.get("/members/imports/1").words()
    as_dev.post("/members/imports/1/application")
    work(app)
    assert "Import finished." in as_dev.get("/members/imports/1").words()
    with app.app_context():
        names = set(db.session.scalars(select(Member.username)))
        verbs = set(db.session.scalars(select(AuditEvent.verb)))
        stored = db.session.get_one(Connection, 1).secret
    assert names == {"laurel", "member0", "member1"}
    assert {"connection.made", "connection.pulled"} <= verbs
    assert site.credentials.secret not in stored
    listed = as_dev.get("/settings/connections").words("#connections")
    assert "Forum & friends WordPress On 3" in listed
    assert "connected the community “Forum & friends”" in as_dev.get("/audit-log").words()


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"kind": ""}, "kind", "Choose the community's software."),
        ({"address": "ftp://example.org"}, "address", "The URL must start with https://."),
        ({"address": "https://10.0.0.1/"}, "address", "This address isn't public."),
        ({"secret": ""}, "secret", "Enter the password or key."),
        ({"rate": "many"}, "rate", "Enter a whole number from 10 to 6,000."),
        ({"match_by": "shoe size"}, "match_by", "Choose how accounts are matched"),
    ],
)
def test_invalid_fields_are_reported_next_to_them(
    as_dev: ReviewingClient, site: FakeWordPress, changed: dict[str, str], field: str, sentence: str
) -> None:
    answer = as_dev.post("/settings/connections", entered(site, **changed))
    assert answer.status_code == 422
    assert sentence in answer.words(f"#{field}-error")


def test_a_community_that_refuses_is_not_saved(
    as_dev: ReviewingClient, site: FakeWordPress
) -> None:
    answer = as_dev.post("/settings/connections", entered(site, secret="wrong"))
    assert answer.status_code == 422
    assert answer.page.select_one("#connection-fields .note.error") is not None
    assert "wrong" not in answer.page.select_one("#secret").get("value", "")
    assert "No connections yet" in as_dev.get("/settings/connections").words()


def test_settings_are_changed_and_the_secret_is_kept(
    app: Flask, as_dev: ReviewingClient, site: FakeWordPress
) -> None:
    as_dev.post("/settings/connections", entered(site))
    changed = entered(site, secret="", rate="30", match_by="email", imports_members="")
    assert as_dev.post(f"{ONE}/settings", changed).status_code == 303
    with app.app_context():
        row = db.session.get_one(Connection, 1)
        assert (row.rate, row.match_by, row.imports_members) == (30, "email", False)
    elsewhere = as_dev.post(f"{ONE}/settings", {**changed, "account": "other"})
    assert "needed again if the address or account changes" in elsewhere.words("#secret-error")


def test_a_check_says_what_is_wrong_and_then_that_it_works(
    as_dev: ReviewingClient, site: FakeWordPress
) -> None:
    as_dev.post("/settings/connections", entered(site))
    site.revoked = True
    as_dev.post(f"{ONE}/check")
    assert "Failing" in as_dev.get("/settings/connections").words()
    assert as_dev.get("/").words("#work").count("Forum & friends") == 1
    site.revoked = False
    as_dev.post(f"{ONE}/check")
    assert "Failing" not in as_dev.get("/settings/connections").words()
    assert "Forum & friends" not in as_dev.get("/").words("#work")


def test_a_connection_is_turned_off_and_removed(
    as_dev: ReviewingClient, site: FakeWordPress
) -> None:
    as_dev.post("/settings/connections", entered(site))
    as_dev.post(f"{ONE}/switch", {"on": "no"})
    assert "Off" in as_dev.get("/settings/connections").words("#connections")
    as_dev.post(f"{ONE}/pulls")
    assert "turned off" in as_dev.get(ONE).words()
    assert "Members stay here" in as_dev.get(f"{ONE}/removal").words("#removal")
    as_dev.post(f"{ONE}/removal")
    assert "No connections yet" in as_dev.get("/settings/connections").words()


def test_badges_are_fetched_created_mapped_and_unmapped(
    app: Flask, as_dev: ReviewingClient, site: FakeWordPress, make: Make
) -> None:
    quest, other = quest_of(make), make.quest("Came by", make.badge("Guest"))
    connect(app, as_dev, site)
    there = site.add_badge("Old helper")
    as_dev.post(f"{ONE}/badges/list")
    page = as_dev.get(f"{ONE}/badges")
    assert "Old helper" in page.words("#badge")
    assert as_dev.post(f"{ONE}/badges", {"quest": "", "badge": there}).status_code == 422
    assert as_dev.post(f"{ONE}/badges", {"quest": quest.id, "badge": "?"}).status_code == 422
    as_dev.post(f"{ONE}/badges", {"quest": quest.id, "badge": there})
    as_dev.post(f"{ONE}/badges", {"quest": other.id, "badge": "+"})
    assert set(site.names.values()) == {"Old helper", "Guest"}
    page = as_dev.get(f"{ONE}/badges")
    assert "Helper Answered Old helper 0 0" in page.words()
    assert "Old helper" not in page.words("#badge")
    as_dev.post(f"{ONE}/badges/1/removal")
    assert "Helper Answered Old helper" not in as_dev.get(f"{ONE}/badges").words()


def test_quests_without_a_badge_there_can_be_chosen(
    app: Flask, as_dev: ReviewingClient, site: FakeWordPress, make: Make
) -> None:
    """In the picker of other forms; of a badge with several quests, the remaining ones."""
    alone, helper = quest_of(make), make.badge("Writer")
    first, second = make.quest("Wrote one", helper), make.quest("Wrote ten", helper)
    connect(app, as_dev, site)

    def offered() -> set[str]:
        chosen = as_dev.get(f"{ONE}/badges").page.select("#quest-picker input[name=quest]")
        return {str(field["value"]) for field in chosen}

    assert offered() == {str(quest.id) for quest in (alone, first, second)}
    for quest in (alone, first):
        as_dev.post(f"{ONE}/badges", {"quest": quest.id, "badge": "+"})
    assert offered() == {str(second.id)}
    words = as_dev.get(f"{ONE}/badges").words("#quest-picker")
    assert "Writer Wrote ten" in words
    assert "Wrote one" not in words
    refused = as_dev.post(f"{ONE}/badges", {"quest": second.id, "badge": "?"})
    assert refused.words("#quest-picker summary") == "Writer · Wrote ten"
    assert refused.page.select_one(f"#quest-picker [value='{second.id}'][checked]")
    refused = as_dev.post(f"{ONE}/badges", {"badge": "+"})
    assert refused.words("#quest-error") == "Choose a quest."
    as_dev.post(f"{ONE}/badges", {"quest": second.id, "badge": "+"})
    assert "All quests are mapped." in as_dev.get(f"{ONE}/badges").words("#quest-picker")


def test_a_batch_shows_how_many_are_visible(
    app: Flask, as_dev: ReviewingClient, site: FakeWordPress, make: Make
) -> None:
    """CN-3"""
    quest = quest_of(make)
    connect(app, as_dev, site)
    as_dev.post(f"{ONE}/badges", {"quest": quest.id, "badge": "+"})
    with app.app_context():
        ids = list(db.session.scalars(select(Member.id).order_by(Member.id)))
    batch = make.batch([*ids, make.member("elsewhere").id], quest, published=True)
    with app.app_context():
        run(batch.id)
    words = as_dev.get(f"/batches/{batch.id}").words("#visibility")
    assert "0 of 4 visible in Forum & friends" in words
    work(app)
    fragment = as_dev.htmx(f"/batches/{batch.id}/visibility")
    assert "4 of 4 visible in Forum & friends" in fragment.words("#visibility")
    assert "hx-get" not in fragment.page.select_one("#visibility").attrs
    assert site.holders("badge-1") == {"1", "2", "3", "4"}


def test_what_is_refused_is_listed_and_retried(
    app: Flask, as_dev: ReviewingClient, site: FakeWordPress, make: Make
) -> None:
    quest = quest_of(make)
    connect(app, as_dev, site)
    as_dev.post(f"{ONE}/badges", {"quest": quest.id, "badge": "+"})
    work(app)
    as_dev.post("/members/1/awards", {"quest": quest.id})
    as_dev.post("/members/2/awards", {"quest": quest.id})
    assert "Waiting 2" in as_dev.get(f"{ONE}/pending").words()
    site.delete_user("2")
    work(app)
    refused = as_dev.get(f"{ONE}/pending?show=refused").words()
    assert "member0 Helper Answered The member no longer exists there." in refused
    as_dev.post(f"{ONE}/retries")
    assert "Trying again" in as_dev.get(f"{ONE}/pending").words()


def test_both_sides_are_compared_and_repaired(
    app: Flask, as_dev: ReviewingClient, site: FakeWordPress, make: Make
) -> None:
    quest = quest_of(make)
    connect(app, as_dev, site)
    as_dev.post(f"{ONE}/badges", {"quest": quest.id, "badge": "+"})
    as_dev.post("/members/1/awards", {"quest": quest.id})
    as_dev.post("/members/2/awards", {"quest": quest.id})
    work(app)
    assert "Not compared yet" in as_dev.get(f"{ONE}/comparison").words("#comparison")
    site.take_away("badge-1", "2")
    as_dev.post(f"{ONE}/comparison")
    running = as_dev.htmx(f"{ONE}/comparison")
    assert "Comparing both sides" in running.words("#comparison")
    work(app)
    assert site.holders("badge-1") == {"1"}
    found = as_dev.get(f"{ONE}/comparison").words("#comparison")
    assert "member0 Helper Answered Missing there" in found
    as_dev.post(f"{ONE}/repair")
    work(app)
    assert site.holders("badge-1") == {"1", "2"}


def test_pages_take_a_fixed_number_of_statements(
    app: Flask, as_dev: ReviewingClient, site: FakeWordPress, make: Make
) -> None:
    """However many quests are mapped, and badges pending."""
    paths = ["", "/badges", "/pending", "/comparison"]

    def counts() -> list[int]:
        numbers = []
        for path in paths:
            with app.app_context(), statements() as sent:
                assert as_dev.get(f"{ONE}{path}").status_code == 200
            numbers.append(len(sent))
        return numbers

    connect(app, as_dev, site, 12)
    before = counts()
    for number in range(3):
        quest = make.quest(f"Quest {number}", make.badge(f"Badge {number}"))
        as_dev.post(f"{ONE}/badges", {"quest": quest.id, "badge": "+"})
        for member in range(1, 11):
            as_dev.post(f"/members/{member}/awards", {"quest": quest.id})
    assert counts() == before


def test_managers_may_not_connect(client: ReviewingClient, make: Make) -> None:
    client.sign_in(make.staff("manager"))
    assert client.get("/settings/connections").status_code == 403


def test_the_plugin_for_wordpress_can_be_downloaded(
    as_dev: ReviewingClient, as_support: ReviewingClient
) -> None:
    link = as_dev.get("/settings/connections/new").page.select_one("a[download]")
    assert link is not None
    answer = as_dev.get(str(link["href"]))
    assert answer.headers["Content-Disposition"] == "attachment; filename=laurel-badges.php"
    assert answer.text.startswith("<?php\n")
    assert as_support.get(str(link["href"])).status_code == 403
