"""Awards through the API: created, repeated, rejected, read, revoked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select

from tests.api.conftest import Caller
from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.domain.awards import group as group_awards
from webapp.domain.awards import manual, member_profile
from webapp.domain.erasure import erase as erase_member
from webapp.models import AuditEvent, Award, EventGroup, Origin, WebhookEvent
from webapp.transaction import transaction


def asked(quest: Any, **member: str) -> dict[str, Any]:
    return {"quest": str(quest.id), "member": member, "reason": "Completed the course"}


def test_an_award_by_id_username_or_email(
    lms: Caller, community: dict[str, Any], context: None
) -> None:
    """M-12, A-2: 201 at first, then 200; the response has the source, and the audit log the API key."""
    first = lms.post("/awards", asked(community["quest"], id="4821"))
    assert first.status_code == 201
    for member in (
        {"id": "4821"},
        {"username": " ANNA "},
        {"email": "Anna@Example.org"},
        {"id": "4821", "username": "anna"},
    ):
        again = lms.post("/awards", asked(community["quest"], **member))
        assert (again.status_code, again.json) == (200, first.json), member
    assert first.json is not None
    assert first.json["member"] == {"id": "4821", "username": "anna"}
    assert first.json["quest"]["badge"]["name"] == "Course"
    assert (first.json["way"], first.json["state"]) == ("api", "active")
    assert first.json["reason"] == "Completed the course"
    (event,) = member_profile.load(community["anna"].id).held
    assert (event.by, str(event.how)) == ('API key "LMS"', "through the API")
    (line,) = search.latest("award", int(first.json["id"]), 5)
    assert line.sentence == 'API key "LMS" awarded “Course (Passed)” to anna'
    assert (line.event.origin, line.event.key_id) == ("api", lms.key_id)


@pytest.mark.databases("sqlite", "postgresql")
def test_callers_at_once_award_once(lms: Caller, community: dict[str, Any], context: None) -> None:
    """M-13: one of them makes the award, with one event and one entry in the audit log."""
    body = asked(community["quest"], id="4821")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: lms.post("/awards", body), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({(answer.json or {})["id"] for answer in answers}) == 1
    kinds = db.session.scalars(select(EventGroup.kind)).all()
    assert kinds.count(WebhookEvent.AWARD_CREATED) == 1
    assert db.session.scalars(select(AuditEvent.verb)).all().count("award.made") == 1


def test_an_unknown_member_gets_the_previews_message(
    lms: Caller, community: dict[str, Any]
) -> None:
    """M-12, B-14: with the preview's messages, and no award is made."""
    for member, message in (
        ({"id": "nobody"}, "Where Id, Username or Email was not found"),
        ({"id": " "}, "Where Id, Username or Email was not found"),
        ({"id": "4821", "username": "boris"}, "User was not found"),
    ):
        answer = lms.post("/awards", asked(community["quest"], **member))
        assert answer.status_code == 422
        assert answer.json is not None
        assert answer.json["errors"] == [{"pointer": "#/member", "message": message}]
    assert lms.get("/awards").json == {"items": [], "next": None}


def test_all_errors_are_reported_at_once(lms: Caller, community: dict[str, Any]) -> None:
    """A-5: an unknown member and an unknown quest are reported together, each with its pointer."""
    answer = lms.post("/awards", {"quest": "987654321", "member": {"id": "nobody"}})
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["detail"] == "2 values are invalid."
    assert answer.json["errors"] == [
        {"pointer": "#/quest", "message": "This badge doesn't exist."},
        {"pointer": "#/member", "message": "Where Id, Username or Email was not found"},
    ]
    apart = {"id": "4821", "username": "boris"}
    answer = lms.post("/awards", {"quest": str(community["quest"].id), "member": apart})
    assert answer.json is not None
    assert "boris" in answer.json["detail"]


def test_invalid_awards_are_rejected(lms: Caller, community: dict[str, Any]) -> None:
    """M-15, D-5: an archived quest, a quest that doesn't exist, a member who has left."""
    for quest in (str(community["old"].id), "987654321987654321", "no number", "-1", "٣"):
        answer = lms.post("/awards", {"quest": quest, "member": {"id": "4821"}})
        assert answer.status_code == 422, quest
        assert answer.json is not None
        assert answer.json["errors"][0]["pointer"] == "#/quest"
    answer = lms.post("/awards", asked(community["quest"], id="9"))
    assert answer.status_code == 409
    assert answer.json is not None
    assert answer.json["detail"] == (
        "lost has left the community. Only active members can receive badges."
    )


@pytest.mark.databases("sqlite", "postgresql")
def test_a_group_has_a_result_for_each(
    lms: Caller, community: dict[str, Any], make: Make, context: None
) -> None:
    """A-2: up to 50 in one request, as one action in the audit log; unknown members don't affect others."""
    make.award(community["boris"].id, community["quest"].id)
    members = [
        {"id": "4821"},
        {"username": "boris"},
        {"email": "anna@example.org"},
        {"username": "nobody"},
        {"id": "9"},
    ]
    answer = lms.post("/group-awards", {"quest": str(community["quest"].id), "members": members})

    assert answer.status_code == 200
    told, awards = answer.json, lms.get("/awards?member=4821").json
    assert told is not None
    assert awards is not None
    (first,) = awards["items"]
    assert (told["awarded"], told["already_held"], told["errors"]) == (1, 1, 2)
    assert [one["status"] for one in told["results"]] == [
        "awarded",
        "already_held",
        "merged",
        "error",
        "error",
    ]
    assert told["results"][0]["award"] == told["results"][2]["award"] == first["id"]
    assert told["results"][3]["error"] == "Where Id, Username or Email was not found"
    assert told["results"][4]["error"] == (
        "lost has left the community. Only active members can receive badges."
    )
    acts = search.page(AuditFilters(verbs=("group.awarded",))).lines
    assert [line.sentence for line in acts] == [
        'API key "LMS" awarded “Course (Passed)” to 1 member; 1 already had it, skipping 2'
    ]


def test_more_than_fifty_are_refused(lms: Caller, community: dict[str, Any]) -> None:
    """M-10, A-2: the error states the limit, and no award is made."""
    members = [{"id": "4821"}] * 51
    answer = lms.post("/group-awards", {"quest": str(community["quest"].id), "members": members})

    assert answer.status_code == 422
    assert "50" in answer.text
    assert lms.get("/awards").json == {"items": [], "next": None}


def test_a_repeated_revocation_has_one_effect(
    lms: Caller, community: dict[str, Any], context: None
) -> None:
    """M-12, M-14: it stays in the history with its reason, and no rule awards it again; a person can."""
    made = lms.post("/awards", asked(community["quest"], id="4821")).json
    assert made is not None
    path = f"/awards/{made['id']}/revocation"
    first = lms.post(path, {"reason": "By mistake"})
    again = lms.post(path)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json == again.json
    assert first.json is not None
    assert (first.json["state"], first.json["revoke_reason"]) == ("revoked", "By mistake")
    award = db.session.get_one(Award, int(made["id"]))
    assert (award.revoke_source, award.revoked_key) == ("api", lms.key_id)
    events = member_profile.load(community["anna"].id).history.items
    assert [(one.kind, one.by) for one in events] == [
        ("Revoked", 'API key "LMS"'),
        ("Awarded", 'API key "LMS"'),
    ]
    verbs = db.session.scalars(select(AuditEvent.verb).where(AuditEvent.key_id == lms.key_id)).all()
    assert sorted(verbs) == ["award.made", "award.revoked"]
    db.session.rollback()
    anew = lms.post("/awards", asked(community["quest"], id="4821"))
    assert anew.status_code == 201
    assert anew.json is not None
    assert anew.json["id"] != made["id"]


def test_an_unknown_award_is_404(lms: Caller) -> None:
    for award in ("0", "17", "no", "9" * 30, "-1"):
        assert lms.post(f"/awards/{award}/revocation").status_code == 404, award


@pytest.mark.databases("sqlite", "postgresql")
def test_awards_are_listed_newest_first(
    lms: Caller, community: dict[str, Any], make: Make, app: Flask, context: None
) -> None:
    """A-5: paginated, by member, quest, batch and state; with a fixed number of queries."""
    members = make.members(7)
    quest, other = community["quest"], make.quest()
    for member in members:
        make.award(member, quest.id)
    newest = make.award(members[0], other.id)
    make.award(members[1], other.id, revoked_at=newest.awarded_at)

    found, cursor, asks = [], "", []
    while True:
        with statements() as sent:
            page = lms.get(f"/awards?quest={quest.id}&limit=3{cursor}").json
        asks.append(len(sent))
        assert page is not None
        found += [one["member"]["username"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == [f"user{number}" for number in range(7, 0, -1)]
    assert len(set(asks[1:])) == 1, asks
    for query, number in (
        ("member=USER1", 2),
        ("member=USER1&state=active", 2),
        ("member=USER2&state=revoked", 1),
        (f"quest={other.id}&state=active", 1),
        ("", 9),
    ):
        page = lms.get(f"/awards?{query}").json
        assert page is not None
        assert len(page["items"]) == number, query


def listed(lms: Caller, query: str) -> list[str]:
    answer = lms.get(f"/awards?{query}")
    assert answer.status_code == 200, answer.data
    return [item["id"] for item in answer.json["items"]]


def test_one_award_is_read_by_its_id(lms: Caller, community: dict[str, Any]) -> None:
    made = lms.post("/awards", asked(community["quest"], id="4821")).json
    assert lms.get(f"/awards/{made['id']}").json == made
    revoked = lms.post(f"/awards/{made['id']}/revocation").json
    assert lms.get(f"/awards/{made['id']}").json == revoked
    assert revoked["updated_at"] == revoked["revoked_at"] > made["updated_at"]
    for unknown in ("999", "x", "0", str(2**70)):
        assert lms.get(f"/awards/{unknown}").status_code == 404


def test_awards_by_source_state_and_time(lms: Caller, make: Make) -> None:
    """A-7: each filter alone, and together; the first moment is included, the last one isn't."""
    quest, people = make.quest(), make.members(4)
    days = [NOW + timedelta(days=day) for day in range(4)]
    one, two, three = (
        str(make.award(person, quest.id, awarded_at=at, source=source).id)
        for person, at, source in zip(people, days, ("batch", "rule", "api"), strict=False)
    )
    four = make.award(
        people[3],
        quest.id,
        awarded_at=days[0],
        source="rule",
        revoked_at=days[3],
        updated_at=days[3],
    )
    stamps = [quote(at.isoformat()) for at in days]
    assert listed(lms, "source=rule") == [two, str(four.id)]
    assert listed(lms, "source=rule&state=revoked") == [str(four.id)]
    assert listed(lms, "state=active") == [three, two, one]
    assert listed(lms, f"awarded_since={stamps[1]}") == [three, two]
    assert listed(lms, f"awarded_before={stamps[1]}") == [str(four.id), one]
    assert listed(lms, f"awarded_since={stamps[1]}&awarded_before={stamps[2]}") == [two]
    assert listed(lms, f"updated_since={stamps[1]}") == [two, three, str(four.id)]
    assert listed(lms, f"updated_since={stamps[3]}&source=batch") == []
    first = lms.get(f"/awards?updated_since={stamps[0]}&limit=3").json
    rest = lms.get(f"/awards?updated_since={stamps[0]}&limit=3&cursor={first['next']}").json
    assert [item["id"] for item in first["items"] + rest["items"]] == [
        one,
        two,
        three,
        str(four.id),
    ]


def test_every_change_of_an_award_updates_its_time(
    lms: Caller, make: Make, community: dict[str, Any], context: None
) -> None:
    """A-7: revoked alone, as a group and by undoing, restored, and when its member is erased."""
    staff, quest = make.staff(), community["quest"]
    anna, boris = community["anna"].id, community["boris"].id

    def actor(hour: int) -> Actor:
        return Actor(NOW + timedelta(hours=hour), Origin.CONSOLE, staff)

    def changed_since(hour: int) -> list[str]:
        db.session.rollback()
        return listed(lms, f"updated_since={quote(actor(hour).at.isoformat())}")

    with transaction():
        first = manual.award(anna, quest.id, "", actor(1)).award.id
    with transaction():
        manual.revoke(anna, first, "", actor(2))
    assert changed_since(2) == [str(first)]
    with transaction():
        manual.restore(anna, first, replace(actor(2), at=actor(2).at + timedelta(minutes=1)))
    (restored,) = lms.get("/awards?state=active").json["items"]
    assert (restored["restored_at"], restored["awarded_at"]) == (
        restored["updated_at"],
        lms.get(f"/awards/{first}").json["awarded_at"],
    )
    with transaction():
        group = group_awards.award_group("boris", quest.id, "", actor(3)).group_id
    with transaction():
        group_awards.undo(group or 0, replace(actor(3), at=actor(3).at + timedelta(minutes=1)))
    assert len(changed_since(3)) == 1
    with transaction():
        erase_member.erase(boris, actor(5))
    assert len(changed_since(5)) == 1


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("member=nosuch", {"member"}),
        ("quest=999", {"quest"}),
        ("quest=abc&member=nosuch&batch=0", {"quest", "member", "batch"}),
        ("source=magic", {"source"}),
        ("updated_since=yesterday", {"updated_since"}),
        ("awarded_since=2026-01-01T00:00:00", {"awarded_since"}),
    ],
)
def test_unknown_values_of_filters_are_errors(
    lms: Caller, community: dict[str, Any], query: str, parameters: set[str]
) -> None:
    """A-7: all at once, each with its parameter."""
    answer = lms.get(f"/awards?{query}")
    assert answer.status_code == 422
    assert {error["parameter"] for error in answer.json["errors"]} == parameters


def test_members_by_an_unknown_quest_are_an_error(lms: Caller) -> None:
    answer = lms.get("/members?holds=999")
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json["errors"]] == ["holds"]
