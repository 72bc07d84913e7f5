"""`laurel awards import`: past awards are made, and errors are listed by line (A-16)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.awards import bulk_revocation, holders, member_profile
from webapp.domain.awards.bulk_revocation import RevocationItem
from webapp.domain.awards.holders import HolderFilters
from webapp.domain.webhooks import endpoints
from webapp.models import AuditEvent, Award, Delivery, EventGroup, Origin, Quest, WebhookEvent
from webapp.transaction import transaction


@pytest.fixture
def imported(imports: Callable[..., Result]) -> Callable[..., Result]:
    """Run the command on the test's database with these bytes as the file."""
    return partial(imports, "awards")


@pytest.fixture
def community(make: Make) -> dict[str, Quest]:
    """Three members, and badges with one quest and with two."""
    make.member("anna", external_id="1", email="anna@example.org")
    make.member("bea", external_id="2")
    make.member("gone", external_id="3", status="left")
    course = make.badge("Course")
    return {
        "helper": make.quest("Helper", make.badge("Helper")),
        "begun": make.quest("Begun", course),
        "passed": make.quest("Passed", course),
        "old": make.quest("Old", make.badge("Relic", archived_at=NOW)),
    }


def awards() -> list[tuple[Any, ...]]:
    db.session.rollback()
    columns = (Award.member_id, Award.quest_id, Award.source, Award.awarded_at, Award.reason)
    return [tuple(row) for row in db.session.execute(select(*columns).order_by(Award.id))]


def test_a_file_is_imported_and_changes_nothing_the_second_time(
    app: Flask, imported: Callable[..., Result], community: dict[str, Quest]
) -> None:
    """A-16: dates, reasons and quests by name, ID or badge; one action in the audit log per import."""
    data = (
        "\ufeffUsername;Badge;Quest;Date earned;Comment\r\n"
        "anna;Helper;;2019-05-31;Was kind\r\n"
        "anna;course;PASSED;2020-01-02 10:20+02:00;\r\n"
        "bea;;Course (Begun);Mon, 4 May 2020 08:00:00 GMT;\r\n"
        f"bea;;{community['helper'].id};;\r\n"
        "ANNA;Helper;Helper;2018-01-01;again\r\n"
    )
    first, second = imported(data), imported(data)
    assert first.exit_code == second.exit_code == 0, first.output
    assert "4 awarded, 1 already held, 0 revoked since, 0 skipped." in first.output
    assert "1 award had no date and was awarded as of now." in first.output
    assert "0 awarded, 5 already held, 0 revoked since, 0 skipped." in second.output
    with app.app_context():
        made = [
            (quest, source, f"{at:%Y-%m-%dT%H:%M}", why) for _, quest, source, at, why in awards()
        ]
        helper, begun, passed = (community[name].id for name in ("helper", "begun", "passed"))
        assert (
            set(made[:3])
            == {
                (helper, "import", "2019-05-31T12:00", "Was kind"),
                (passed, "import", "2020-01-02T08:20", ""),
                (begun, "import", "2020-05-04T08:00", ""),
            }
            or len(made) == 4
        )
        lines = search.page(AuditFilters(verbs=("awards.imported",))).lines
        assert [line.sentence for line in lines] == [
            "Laurel imported awards: 0 new, 5 already held",
            "Laurel imported awards: 4 new, 1 already held",
        ]
        assert set(db.session.scalars(select(AuditEvent.verb))) == {"awards.imported"}
        history = member_profile.load(1).history.items
        assert [f"{event.at:%Y-%m-%d}" for event in history] == ["2020-01-02", "2019-05-31"]
        assert str(history[0].how) == "imported"
        listed = holders.page(HolderFilters((helper,)))
        assert [event.award.member.username for event in listed.holders] == ["bea", "anna"]


def test_a_dry_run_changes_nothing(
    app: Flask, imported: Callable[..., Result], community: dict[str, Quest], make: Make
) -> None:
    """A-16: the same counts and reasons as the import that follows, also across chunks."""
    make.members(1_200)
    rows = [f"user{n};Helper;2020-01-01\r\n" for n in range(1, 1_201)]
    data = "".join(
        [
            "Username;Badge;Awarded at\r\n",
            *rows,
            "user1;Helper;\r\nnobody;Helper;\r\nanna;None;\r\n",
        ]
    )
    dry = imported(data, "--dry-run")
    counts = "1,200 awarded, 1 already held, 0 revoked since, 2 skipped."
    assert f"Dry run (nothing was changed): {counts}" in dry.stdout
    with app.app_context():
        assert awards() == []
        assert db.session.scalars(select(AuditEvent)).all() == []
    real = imported(data)
    assert counts in real.stdout
    assert dry.exit_code == real.exit_code == 1


def test_rows_are_skipped_with_a_reason(
    imported: Callable[..., Result], community: dict[str, Quest], make: Make
) -> None:
    """A-16, B-14: as in a preview; the others are imported, and the exit status is 1."""
    make.quest("Helper", make.badge("Second"))
    data = (
        "ID;Username;Badge;Quest;Awarded at;Reason\r\n"
        "1;anna;Helper;;2020-01-01;\r\n"
        "1;bea;Helper;;;\r\n"
        "9;;Helper;;;\r\n"
        "3;;Helper;;;\r\n"
        "1;;Relic;;;\r\n"
        "1;;Course;;;\r\n"
        "1;;;Helper;;\r\n"
        "1;;;Nothing;;\r\n"
        "1;;Nothing;;;\r\n"
        "1;;;;;\r\n"
        "1;;Course;Passed;04/05/2020;\r\n"
        "1;;Course;Passed;2999-01-01;\r\n"
        f"1;;Course;Passed;2020-01-01;{'x' * 501}\r\n"
    )
    result = imported(data, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["awarded"], told["skipped"], told["dry_run"]) == (1, 12, False)
    assert [row["line"] for row in told["skipped_rows"]] == list(range(3, 15))
    assert [row["reason"] for row in told["skipped_rows"]] == [
        "User was not found",
        "Where Id, Username or Email was not found",
        "gone has left the community. Only active members can receive badges.",
        "Relic is archived and can't be awarded.",
        "The badge “Course” has several quests. Add a Quest column.",
        "Several badges have a quest “Helper”. Add a Badge column.",
        "There is no quest “Nothing”.",
        "There is no badge “Nothing”.",
        "The Quest is missing.",
        "“04/05/2020” isn't a date, or could mean more than one. Use the form 2024-05-31.",
        "The date is in the future.",
        "The reason is 501 characters long; the limit is 500.",
    ]
    lacking = imported("Username;Date\r\nanna;2020-01-01\r\n")
    assert lacking.exit_code == 1
    assert "The file has no Quest or Badge column." in lacking.stderr


def test_importing_again_leaves_revoked_awards_revoked(
    app: Flask, imported: Callable[..., Result], community: dict[str, Quest]
) -> None:
    """A-16, M-14: with and without a date."""
    data = "Username;Badge;Awarded at\r\nanna;Helper;2020-01-01\r\nbea;Helper;\r\n"
    imported(data)
    with app.app_context(), transaction():
        items = [RevocationItem(one) for one in db.session.scalars(select(Award.id))]
        bulk_revocation.revoke(items, Actor(NOW, Origin.API))
    again = imported(data)
    assert "0 awarded, 0 already held, 2 revoked since, 0 skipped." in again.output
    assert again.exit_code == 0


def test_webhooks_are_sent_only_on_request(
    app: Flask, imported: Callable[..., Result], community: dict[str, Quest]
) -> None:
    """A-16, A-8: the feed of events has the awards in any case."""
    with app.app_context(), transaction():
        kinds = [WebhookEvent.AWARD_CREATED]
        endpoints.create("https://hooks.example.org/", kinds, (), Actor(NOW, Origin.CONSOLE))
    for name, options, deliveries, events in (
        ("anna", (), 0, 1),
        ("bea", ("--webhooks",), 1, 2),
    ):
        imported(f"Username;Badge;Awarded at\r\n{name};Helper;2020-01-01\r\n", *options)
        with app.app_context():
            assert db.session.scalar(select(func.count()).select_from(Delivery)) == deliveries
            created = select(func.sum(EventGroup.number))
            created = created.where(EventGroup.kind == WebhookEvent.AWARD_CREATED)
            assert db.session.scalar(created) == events


def test_an_export_of_holders_can_be_imported(
    app: Flask, imported: Callable[..., Result], community: dict[str, Quest], make: Make
) -> None:
    """A-16: its columns are recognized; what is held doesn't change."""
    make.award(1, community["passed"].id, awarded_at=NOW, reason="Well done")
    with app.app_context():
        lines = [
            row for chunk in holders.rows(HolderFilters((community["passed"].id,))) for row in chunk
        ]
        data = "".join(";".join(row) + "\r\n" for row in [holders.HEADER, *lines])
        make.member("carl", external_id="4", email="carl@example.org")
    assert "0 awarded, 1 already held" in imported(data).output
    other = data.replace("anna", "carl").replace("\r\n1;", "\r\n4;")
    assert "1 awarded, 0 already held" in imported(other).output
    with app.app_context():
        assert awards()[1][2:] == ("import", NOW.replace(microsecond=0), "Well done")
