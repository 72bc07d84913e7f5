"""Many awards and revocations in one request (A-10)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.api.conftest import Caller
from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.awards import member_profile
from webapp.domain.webhooks import endpoints
from webapp.models import AuditEvent, Award, Delivery, Origin, WebhookEvent
from webapp.transaction import transaction

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def item(quest: Any, reason: str = "", at: str | None = None, **member: str) -> dict[str, Any]:
    named: dict[str, Any] = {"quest": str(quest.id), "member": member, "reason": reason}
    return named if at is None else {**named, "awarded_at": at}


def award(lms: Caller, *items: dict[str, Any]) -> dict[str, Any]:
    answer = lms.post("/bulk-awards", {"awards": list(items)})
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    told: dict[str, Any] = answer.json
    return told


def revoke(lms: Caller, *items: dict[str, Any]) -> dict[str, Any]:
    answer = lms.post("/bulk-revocations", {"revocations": list(items)})
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    told: dict[str, Any] = answer.json
    return told


def statuses(told: dict[str, Any]) -> list[str]:
    assert [one["index"] for one in told["results"]] == list(range(len(told["results"])))
    return [one["status"] for one in told["results"]]


def test_each_award_has_its_own_quest_reason_and_date(
    lms: Caller, community: dict[str, Any], make: Make, context: None
) -> None:
    """A-10: by ID, username or email; one entry in the audit log; repeating it changes nothing."""
    quest, other = community["quest"], make.quest("First", make.badge("Helper"))
    items = (
        item(quest, "Passed with merit", "2019-05-31T10:20:00+02:00", id="4821"),
        item(other, username="ANNA"),
        item(quest, "", "2020-01-02", username="boris"),
        item(quest, "Again", email="anna@example.org"),
    )
    told = award(lms, *items)
    assert statuses(told) == ["awarded", "awarded", "awarded", "merged"]
    assert (told["awarded"], told["already_held"], told["errors"]) == (3, 0, 0)
    assert told["results"][3]["award"] == told["results"][0]["award"]
    assert told["results"][1]["member"] == {"id": "4821", "username": "anna"}
    listed = lms.get("/awards?member=4821").json
    assert listed is not None
    newest, oldest = listed["items"]
    assert (oldest["awarded_at"], oldest["reason"]) == ("2019-05-31T08:20:00Z", "Passed with merit")
    assert (newest["quest"]["id"], newest["way"]) == (str(other.id), "api")
    boris = lms.get("/awards?member=4822").json
    assert boris is not None
    assert boris["items"][0]["awarded_at"] == "2020-01-02T12:00:00Z"
    first, second = member_profile.load(community["anna"].id).history.items
    assert (first.award.quest_id, second.award.quest_id) == (other.id, quest.id)
    assert (second.by, str(second.how)) == ('API key "LMS"', "through the API")

    again = award(lms, *items)
    assert statuses(again) == ["already_held", "already_held", "already_held", "merged"]
    assert [one["award"] for one in again["results"]] == [one["award"] for one in told["results"]]
    (line,) = search.page(AuditFilters(verbs=("bulk.awarded",))).lines
    assert line.sentence == 'API key "LMS" awarded 3 badges in one request'


def test_a_bad_item_affects_only_itself(lms: Caller, community: dict[str, Any], make: Make) -> None:
    """A-10, B-14: with the messages of a file's preview, and all of an item's problems."""
    quest, old = community["quest"], community["old"]
    unknown = {"quest": "no number", "member": {"id": "nobody"}}
    told = award(
        lms,
        item(quest, "", "2999-01-01T00:00:00Z", id="4821"),
        item(quest, "x" * 501, id="4821"),
        item(quest, "", "soon", id="4821"),
        item(quest, "", "", id="4821"),
        item(quest, "", "1970-01-01T00:00:00Z", id="4821"),
        item(old, id="4821"),
        item(quest, id="9"),
        item(quest, id="4821", username="boris"),
        item(quest),
        unknown,
        item(quest, "Fine", id="4821"),
    )
    assert statuses(told) == ["error"] * 10 + ["awarded"]
    assert told["errors"] == 10
    assert [one["error"] for one in told["results"]] == [
        "The date is in the future.",
        "The reason is 501 characters long; the limit is 500.",
        "“soon” isn't a date, or could mean more than one. Use the form 2024-05-31.",
        "“” isn't a date, or could mean more than one. Use the form 2024-05-31.",
        "The date is before 1990.",
        "Course (Before) is archived and can't be awarded.",
        "lost has left the community. Only active members can receive badges.",
        "User was not found",
        "Where Id, Username or Email was not found",
        "This badge doesn't exist. Where Id, Username or Email was not found",
        None,
    ]
    assert told["results"][6]["member"] == {"id": "9", "username": "lost"}
    assert told["results"][10]["award"] is not None
    assert lms.post("/bulk-awards", {"awards": []}).status_code == 422
    many = [item(quest, id="4821")] * 501
    assert lms.post("/bulk-awards", {"awards": many}).status_code == 422
    assert lms.post("/bulk-awards", {"awards": [{"quest": 1}]}).status_code == 422


def test_a_repeated_past_award_stays_revoked(lms: Caller, community: dict[str, Any]) -> None:
    """A-10, M-14: the same date means the same award; another date or none awards it again."""
    quest = community["quest"]
    past = item(quest, "", "2019-05-31T10:20:00Z", id="4821")
    (made,) = award(lms, past)["results"]
    assert statuses(revoke(lms, {"award": made["award"]})) == ["revoked"]
    again = award(lms, past)
    assert (statuses(again), again["already_revoked"]) == (["already_revoked"], 1)
    assert again["results"][0]["award"] == made["award"]
    assert statuses(award(lms, item(quest, id="4821"))) == ["awarded"]
    assert statuses(award(lms, past)) == ["already_held"]


def test_revocations_have_a_result_for_each(
    lms: Caller, community: dict[str, Any], make: Make, context: None
) -> None:
    """A-10: by the award's ID or by quest and member; one entry in the audit log; repeating it changes nothing."""
    quest, old, anna = community["quest"], community["old"], community["anna"]
    first = make.award(anna.id, quest.id)
    second = make.award(anna.id, old.id)
    third = make.award(community["lost"].id, quest.id)
    gone = make.award(community["slash"].id, quest.id, revoked_at=NOW)
    pair = {"quest": str(quest.id), "member": {"username": "boris"}}
    items: tuple[dict[str, Any], ...] = (
        {"award": str(first.id), "reason": "Cheated"},
        {"quest": str(quest.id), "member": {"id": "4821"}},
        {"quest": str(old.id), "member": {"email": "anna@example.org"}, "reason": "Expired"},
        {"award": str(third.id)},
        {"award": str(gone.id)},
        {"quest": str(quest.id), "member": {"id": "eu/42 ü?"}},
        pair,
        {"award": "987654321"},
        {"award": "no number"},
        {"quest": "987654321", "member": {"id": "nobody"}},
        {"award": str(first.id), "reason": "x" * 501},
    )
    told = revoke(lms, *items)
    assert statuses(told) == [
        *("revoked", "merged", "revoked", "revoked", "already_revoked", "merged", "not_held"),
        *["error"] * 4,
    ]
    counts = [told[name] for name in ("revoked", "already_revoked", "not_held", "errors")]
    assert counts == [3, 1, 1, 4]
    assert [one["error"] for one in told["results"][6:]] == [
        None,
        "This award doesn't exist.",
        "This award doesn't exist.",
        "This badge doesn't exist. Where Id, Username or Email was not found",
        "The reason is 501 characters long; the limit is 500.",
    ]
    assert told["results"][2]["award"] == str(second.id)
    read = lms.get(f"/awards?member=4821&quest={old.id}").json
    assert read is not None
    assert (read["items"][0]["state"], read["items"][0]["revoke_reason"]) == ("revoked", "Expired")
    (event,) = (
        one for one in member_profile.load(anna.id).history.items if one.reason == "Cheated"
    )
    assert (event.by, str(event.how)) == ('API key "LMS"', "through the API")
    again = revoke(lms, *items)
    assert (again["revoked"], again["already_revoked"]) == (0, 4)
    (line,) = search.page(AuditFilters(verbs=("bulk.revoked",))).lines
    assert line.sentence == (
        'API key "LMS" revoked 3 badges in one request; 1 already revoked, skipping 5'
    )
    for wrong in ({}, {**pair, "award": "1"}, {"quest": str(quest.id)}, {"member": {"id": "1"}}):
        answer = lms.post("/bulk-revocations", {"revocations": [wrong]})
        assert answer.status_code == 422


def test_any_number_takes_the_same_statements(app: Flask, lms: Caller, make: Make) -> None:
    """A-10: set-based; each award has its webhook event."""
    quests = [make.quest(f"Quest {n}", make.badge(f"Badge {n}")) for n in range(10)]
    members = make.members(50)
    with app.app_context(), transaction():
        kinds = [WebhookEvent.AWARD_CREATED, WebhookEvent.AWARD_REVOKED]
        endpoints.create("https://hooks.example.org/", kinds, (), Actor(NOW, Origin.CONSOLE))
    pairs = [(quest, member) for member in members for quest in quests]
    lms.get("/badges")  # occasionally updates the key's last use
    sizes = set()
    for chosen in (pairs[:2], pairs[2:]):
        awards = [
            item(quest, f"Reason {n}", "2021-02-03", username=f"user{member}")
            for n, (quest, member) in enumerate(chosen)
        ]
        with app.app_context(), statements() as sent:
            told = award(lms, *awards)
        assert told["awarded"] == len(chosen)
        sizes.add(len(sent))
    assert len(sizes) == 1, sizes
    assert sizes.pop() < 20
    with app.app_context():
        ids = db.session.scalars(select(Award.id).order_by(Award.id)).all()
        assert len(ids) == 500
        assert db.session.scalar(select(func.count()).select_from(Delivery)) == 500
    sizes = set()
    for some in (ids[:2], ids[2:]):
        with app.app_context(), statements() as sent:
            told = revoke(lms, *({"award": str(one)} for one in some))
        assert told["revoked"] == len(some)
        sizes.add(len(sent))
    assert len(sizes) == 1, sizes
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Delivery)) == 1000
        verbs = select(AuditEvent.verb).where(AuditEvent.verb.like("bulk.%"))
        assert len(db.session.scalars(verbs).all()) == 4
