"""Members through the API: search, read, create and update, one or a thousand (D-4, A-2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.api.conftest import Caller
from tests.counting import statements
from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.credentials import issuer
from webapp.domain.members import directory
from webapp.domain.members.filters import MemberFilters
from webapp.models import AuditEvent, Award, Member, Origin
from webapp.transaction import transaction

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def test_an_id_can_contain_any_characters(lms: Caller, make: Make) -> None:
    """A-2: percent-encoded, including slashes anywhere; also with a path after it."""
    ids = ["eu/42 ü?", "a//b", "/first", "last/", "per%cent", "#hash", "a/members/b", "..x", "+1 2"]
    for place, one in enumerate(ids):
        path = f"/members/{quote(one, safe='')}"
        put = lms.put(path, {"username": f"name{place}"})
        assert put.status_code == 201, one
        read = lms.get(path)
        assert read.json is not None
        assert (read.status_code, read.json["id"]) == (200, one)
        batch = lms.post("/batches", {"members": [{"id": one}]}).json
        assert batch is not None
        assert batch["users"] == 1
        gone = lms.delete(f"/batches/{batch['id']}/members/{quote(one, safe='')}")
        assert gone.status_code == 204
        left = lms.get(f"/batches/{batch['id']}").json
        assert left is not None
        assert left["users"] == 0, one


def test_a_member_is_read_with_their_badges(
    lms: Caller, community: dict[str, Any], make: Make
) -> None:
    """A-2: only active awards."""
    anna, quest = community["anna"], community["quest"]
    make.award(anna.id, quest.id)
    make.award(anna.id, community["old"].id, revoked_at=quest.badge_id and anna.joined_at)
    answer = lms.get("/members/4821").json

    assert answer is not None
    assert answer["username"] == "anna"
    assert [one["quest"]["id"] for one in answer["awards"]] == [str(quest.id)]
    assert lms.get("/members/nobody").status_code == 404


def test_a_member_is_created_and_updated(app: Flask, lms: Caller) -> None:
    """D-4, A-2: 201, 200, 200; repeating it changes nothing and adds nothing to the audit log."""
    body = {"username": "anna", "email": "anna@example.org"}
    assert lms.put("/members/4821", body).status_code == 201
    assert lms.put("/members/4821", body).status_code == 200
    changed = lms.put("/members/4821", {"name": "Anna Novák"})
    assert changed.json is not None
    assert (changed.status_code, changed.json["name"], changed.json["username"]) == (
        200,
        "Anna Novák",
        "anna",
    )
    lms.put("/members/5", {"username": "boris"})
    clash = lms.put("/members/5", {"email": "ANNA@example.org"})
    assert clash.status_code == 422
    assert clash.json is not None
    assert "belongs to another member (ID 4821)" in clash.json["detail"]
    nameless = lms.put("/members/6", {"email": "six@example.org"})
    assert nameless.status_code == 422
    assert "A new member needs a username." in nameless.text
    with app.app_context():
        acts = db.session.scalars(
            select(AuditEvent.actor).where(
                AuditEvent.verb.in_(("member.created", "member.changed"))
            )
        ).all()
    assert acts == ['API key "LMS"'] * 3


def test_all_errors_are_reported_at_once(lms: Caller) -> None:
    """A-5: field by field for a member too; nothing is written."""
    lms.put("/members/4821", {"username": "anna", "email": "anna@example.org"})
    for body, errors in (
        (
            {"username": "ANNA", "email": "anna@example.org"},
            {
                "#/username": "The username ANNA belongs to another member (ID 4821).",
                "#/email": "The email anna@example.org belongs to another member (ID 4821).",
            },
        ),
        (
            {"email": "anna@example.org"},
            {
                "#/username": "No member has this ID. A new member needs a username.",
                "#/email": "The email anna@example.org belongs to another member (ID 4821).",
            },
        ),
        (
            {"username": "a\nb", "name": "\u3164"},
            {
                "#/username": "The username contains a line break or another character that can't be stored.",
                "#/name": "The name has no visible characters.",
            },
        ),
    ):
        answer = lms.put("/members/5", body)
        assert answer.status_code == 422
        assert answer.json is not None
        assert {one["pointer"]: one["message"] for one in answer.json["errors"]} == errors
        assert answer.json["detail"] == "2 values are invalid."
    assert lms.get("/members/5").status_code == 404
    long = lms.put(f"/members/{'x' * 191}", {"username": "x\ny"})
    assert long.json is not None
    assert [one.get("parameter") for one in long.json["errors"]] == ["member_id", None]


def test_a_thousand_are_imported_with_a_result_for_each(app: Flask, lms: Caller) -> None:
    """D-4, A-2: set-based; invalid rows don't affect others, and repeating it changes nothing."""
    people = [{"id": str(n), "username": f"member{n}"} for n in range(1, 998)]
    bad = [{"id": "7", "username": "x"}, {"id": "b", "username": "MEMBER9"}, {"id": "c"}]
    with app.app_context(), statements() as sent:
        answer = lms.post("/member-imports", {"members": [*people, *bad]})
    assert answer.status_code == 200
    assert len(sent) < 15
    told = answer.json
    assert told is not None
    assert (told["created"], told["updated"], told["unchanged"], told["errors"]) == (997, 0, 0, 3)
    assert {one["status"] for one in told["results"][:997]} == {"created"}
    assert [one["error"] for one in told["results"][997:]] == [
        "The ID 7 is already in an earlier row. Only the first row is used.",
        "The username MEMBER9 belongs to another member (ID 9).",
        "No member has this ID. A new member needs a username.",
    ]
    again = lms.post("/member-imports", {"members": [*people[:5], {"id": "1", "name": "One"}]})
    assert again.json is not None
    assert (again.json["unchanged"], again.json["errors"]) == (5, 1)
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Member)) == 997
    assert lms.post("/member-imports", {"members": [people[0]] * 1001}).status_code == 422


def pages(lms: Caller, query: str, limit: int = 3) -> list[str]:
    """The usernames of a whole list, read in pages."""
    found, cursor = [], ""
    while True:
        page = lms.get(f"/members?limit={limit}&{query}{cursor}").json
        assert page is not None
        assert 0 < len(page["items"]) <= limit or (not found and page["next"] is None)
        found += [one["username"] for one in page["items"]]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def test_members_are_searched_in_parts(lms: Caller, make: Make) -> None:
    """A-2, A-5: by the start of username, email and ID, each member once; by badges they have."""
    for name, email, external_id in (
        ("annika", "z1@example.org", "1"),
        ("anna", "anna@example.org", "2"),
        ("Ansel", "z3@example.org", "anx"),
        ("zoe", "an.zoe@example.org", "4"),
        ("yan", "yan@example.org", "an5"),
        ("Xaver", "ANx@example.org", "an6"),
        ("bob", "bob@example.org", "7"),
    ):
        make.member(name, email=email, external_id=external_id)
    make.member("nomail", email=None, external_id="an8")
    found = ["anna", "annika", "Ansel", "zoe", "Xaver", "yan", "nomail"]
    assert pages(lms, "q=an") == found
    assert pages(lms, "q=%40an") == ["anna", "annika", "Ansel"]
    assert pages(lms, "q=nobody") == []
    everybody = pages(lms, "")
    assert everybody == sorted(everybody, key=str.casefold)
    assert len(everybody) == 8


def test_search_finds_and_orders_members_as_the_page_does(
    app: Flask, lms: Caller, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-9: exact matches first, then starts, then words of names in any order, with or without accents."""
    for name, full, external_id in (
        ("anna", "Zoë Kovač", "1"),
        ("annabel", "", "2"),
        ("b1", "Anna Novák", "anna"),
        ("b2", "Novak, Anna", "4"),
        ("b3", "Hannah Novak", "5"),
        ("b4", "Anna-Maria Short", "6"),
    ):
        make.member(name, name=full, email=f"{external_id}@example.org", external_id=external_id)
    for text in ("anna", "novak an", "kovac", "an", "ANNA NOV", "zoe kov"):
        with app.app_context():
            listed = directory.page(MemberFilters(text=text)).members
            expected = [member.username for member in listed]
        for limit, most in ((1, 9), (2, 9), (3, 9), (1, 0), (2, 0), (3, 0)):
            with monkeypatch.context() as patch:
                patch.setattr("webapp.domain.members.search.COLLECT_LIMIT", most)
                assert pages(lms, f"q={quote(text)}", limit) == expected, text
    assert pages(lms, "q=anna") == ["b1", "anna", "annabel", "b2", "b4"]
    assert pages(lms, "q=novak%20an") == ["b1", "b2"]


def test_any_number_of_members_takes_as_many_queries(app: Flask, lms: Caller, make: Make) -> None:
    """A-9: on the first page and on later ones."""
    lms.get("/members")  # occasionally updates the key's last use
    sizes = set()
    for number in (5, 200):
        make.members(number, f"many{number}")
        cursor = ""
        for _ in range(2):
            with app.app_context(), statements() as sent:
                page = lms.get(f"/members?q=many&limit=2{cursor}").json
            assert page is not None
            cursor = f"&cursor={page['next']}"
            sizes.add(len(sent))
    assert max(sizes) - min(sizes) <= 1, sizes
    assert max(sizes) <= 8


def test_members_who_hold_a_quest(lms: Caller, make: Make, monkeypatch: Any) -> None:
    """A-2: both few and many holders."""
    ids, quest = make.members(9), make.quest()
    for member in ids[:4]:
        make.award(member, quest.id)
    make.award(ids[5], quest.id, revoked_at=make.member().joined_at)
    for few in (5_000, 0):
        monkeypatch.setattr("webapp.domain.members.search.COLLECT_LIMIT", few)
        assert pages(lms, f"holds={quest.id}") == ["user1", "user2", "user3", "user4"]
        assert pages(lms, f"holds={quest.id}&q=USER3") == ["user3"]


def test_rows_added_while_paging_hide_no_one(lms: Caller, make: Make) -> None:
    """A-5: a cursor is a position in the order, not a row number."""
    for name in ("b", "d", "f", "h"):
        make.member(name)
    first = lms.get("/members?limit=2").json
    assert first is not None
    make.member("a")
    make.member("e")
    second = lms.get(f"/members?limit=9&cursor={first['next']}").json
    assert second is not None
    assert [one["username"] for one in second["items"]] == ["e", "f", "h"]


def test_badges_are_listed_in_parts(app: Flask, lms: Caller, make: Make) -> None:
    """A-5, A-2: by name, archived ones last; new badges hide none; with a fixed number of queries."""
    for name in ("Ümlaut", "beta", "Alpha", "Gamma", "delta"):
        make.quest("First", make.badge(name))
    for name in ("Aged", "Zed"):
        make.badge(name, archived_at=NOW)
    found: list[str] = []
    cursor, sizes = "", set()
    lms.get("/badges")  # occasionally updates the key's last use
    for _ in range(9):
        with app.app_context(), statements() as sent:
            page = lms.get(f"/badges?limit=2{cursor}").json
        sizes.add(len(sent))
        assert page is not None
        found += [one["name"] for one in page["items"]]
        if page["next"] is None:
            break
        if not cursor:
            make.badge("aaa")
            make.badge("zzz")
        cursor = f"&cursor={page['next']}"
    assert found == ["Alpha", "beta", "delta", "Gamma", "zzz", "Ümlaut", "Aged", "Zed"]
    assert len(sizes) == 1, sizes
    for wrong in ("x", "W10", cursor[8:] + "x"):
        answer = lms.get(f"/badges?cursor={wrong}")
        assert answer.status_code == 422
        assert answer.json is not None
        assert answer.json["errors"][0]["parameter"] == "cursor"


def test_badges_with_their_quests(lms: Caller, community: dict[str, Any]) -> None:
    listed = lms.get("/badges?q=cour").json
    assert listed is not None
    (badge,) = listed["items"]
    assert [one["name"] for one in badge["quests"]] == ["Passed", "Before"]
    assert badge["quests"][1]["archived_at"] is not None
    assert lms.get(f"/badges/{badge['id']}").json == badge
    assert lms.get("/badges?q=nothing").json == {"items": [], "next": None}


def test_status_and_joining_date_are_set(app: Flask, lms: Caller) -> None:
    """A-9: for one and for many; the audit log has each status change, and repeating it changes nothing."""
    body = {"username": "anna", "status": "suspended", "joined_at": "2021-03-04T12:22:33+01:00"}
    for status in (201, 200):
        answer = lms.put("/members/1", body)
        assert answer.status_code == status
        assert answer.json is not None
        assert (answer.json["status"], answer.json["joined_at"]) == (
            "suspended",
            "2021-03-04T11:22:33Z",
        )
    told = lms.post(
        "/member-imports",
        {
            "members": [
                {"id": "1", "status": "LEFT", "joined_at": "2020-01-02"},
                {"id": "2", "username": "anna", "status": "gone", "joined_at": "soon"},
            ]
        },
    ).json
    assert told is not None
    assert [(one["status"], len(one["warnings"])) for one in told["results"]] == [
        ("updated", 0),
        ("created", 3),
    ]
    former = lms.get("/members/1").json
    assert former is not None
    assert (former["status"], former["username"], former["joined_at"]) == (
        "left",
        "anna (former 1)",
        "2020-01-02T00:00:00Z",
    )
    with app.app_context():
        changes = select(AuditEvent.detail).where(AuditEvent.verb == "member.status_changed")
        assert db.session.scalars(changes).all() == [{"was": "Suspended", "now": "Left"}]


def test_invalid_values_of_a_single_member_are_rejected(lms: Caller) -> None:
    """A-9: nothing is skipped with a warning here; a long ID that ends in zeros may be genuine."""
    for body in ({"status": "gone"}, {"joined_at": "2021-03-04"}, {"joined_at": "soon"}):
        assert lms.put("/members/1", {"username": "anna", **body}).status_code == 422
    assert lms.put("/members/1.23457E+17", {"username": "anna"}).status_code == 422
    assert lms.put("/members/123456789012345000", {"username": "anna"}).status_code == 201


def test_null_removes_the_email_or_name(lms: Caller) -> None:
    """A-9: fields that are left out stay; what a member can't be without can't be null."""
    anna = {"username": "anna", "email": "anna@example.org", "name": "Anna Novák"}
    assert lms.put("/members/1", anna).status_code == 201
    kept = lms.put("/members/1", {"status": "active"}).json
    assert kept is not None
    assert (kept["email"], kept["name"]) == ("anna@example.org", "Anna Novák")
    for body, email, name in (
        ({"email": None}, None, "Anna Novák"),
        ({"name": None}, None, ""),
        (anna, "anna@example.org", "Anna Novák"),
        ({"name": ""}, "anna@example.org", ""),
    ):
        put = lms.put("/members/1", body).json
        assert put is not None
        assert (put["username"], put["email"], put["name"]) == ("anna", email, name)
    assert pages(lms, "q=novak") == []
    for field in ("username", "status", "joined_at"):
        answer = lms.put("/members/1", {field: None})
        assert answer.status_code == 422
        assert answer.json is not None
        assert answer.json["errors"][0]["pointer"] == f"#/{field}"


def test_an_email_can_pass_to_another_member_in_one_request(lms: Caller) -> None:
    """A-9: removed from one and given to another, in whatever order."""
    lms.put("/members/1", {"username": "anna", "email": "team@example.org"})
    lms.put("/members/2", {"username": "boris"})
    for giver, taker in (("1", "2"), ("2", "1")):
        moved = [{"id": taker, "email": "team@example.org"}, {"id": giver, "email": None}]
        told = lms.post("/member-imports", {"members": moved}).json
        assert told is not None
        assert [(one["status"], one["warnings"]) for one in told["results"]] == [
            ("updated", [])
        ] * 2
        read = [lms.get(f"/members/{one}").json or {} for one in (giver, taker)]
        assert [one["email"] for one in read] == [None, "team@example.org"]
    again = lms.post("/member-imports", {"members": moved}).json
    assert again is not None
    assert (again["unchanged"], again["updated"]) == (2, 0)


def test_a_member_is_erased(
    app: Flask, lms: Caller, key_for: Callable[..., Caller], community: dict[str, Any], make: Make
) -> None:
    """A-9, D-5: as on the page; needs its own scope; repeating it says that there is no such member."""
    award = make.award(community["anna"].id, community["quest"].id, reason="For Anna")
    writer = key_for("Writer", "members:write")
    assert writer.delete("/members/4821").status_code == 403
    assert lms.delete("/members/4821").status_code == 204
    assert lms.delete("/members/4821").status_code == 404
    assert lms.get("/members/4821").status_code == 404
    assert lms.delete("/members/eu%2F42%20%C3%BC%3F").status_code == 204
    with app.app_context():
        erased = select(AuditEvent.actor, AuditEvent.detail).where(
            AuditEvent.verb == "member.erased"
        )
        assert db.session.execute(erased.order_by(AuditEvent.id)).all() == [
            ('API key "LMS"', {"awards": 1}),
            ('API key "LMS"', {"awards": 0}),
        ]
        kept = db.session.get_one(Award, award.id)
        assert (kept.reason, kept.revoked_at) == ("", None)
    assert lms.put("/members/4821", {"username": "anna"}).status_code == 201


def test_only_keys_with_its_scope_get_the_link_to_a_members_page(
    app: Flask,
    client: ReviewingClient,
    key_for: Callable[..., Caller],
    community: dict[str, Any],
) -> None:
    """OB-2: the link works, is the one staff see, and ends with the member; without Open Badges there is none."""
    reader = key_for("Reader", "members:read")
    linker = key_for("Forum", "members:read", "member-links:read")
    assert linker.get("/members/4821").json["page_url"] is None
    with app.app_context(), transaction():
        issuer.turn_on(Actor(NOW, Origin.COMMAND_LINE))
    assert reader.get("/members/4821").json["page_url"] is None
    assert key_for("Links", "member-links:read").get("/members/4821").status_code == 403
    url = linker.get("/members/4821").json["page_url"]
    path = url.removeprefix("http://localhost:8000")
    assert client.get(path).status_code == 200
    key_for("Eraser", "members:erase").delete("/members/4821")
    assert linker.get("/members/4821").status_code == 404
    assert client.get(path, review=False).status_code == 404
