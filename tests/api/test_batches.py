"""Batches through the API: create, fill with a report, publish, stop, retry, dismiss, undo, read (A-2)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.api.conftest import Caller
from tests.counting import statements
from tests.domain.batches.test_processing import run
from tests.domain.test_labels import BAD
from tests.factories import Make
from webapp.database import db
from webapp.domain.audit_log import search
from webapp.domain.audit_log.search import AuditFilters
from webapp.models import Award, Origin


def made(lms: Caller, community: dict[str, Any], *members: dict[str, str]) -> dict[str, Any]:
    body = {"name": "May", "quest": str(community["quest"].id), "members": list(members)}
    answer = lms.post("/batches", body)
    assert answer.status_code == 201, answer.text
    batch: dict[str, Any] = answer.json  # type: ignore[assignment]
    return batch


def test_a_draft_has_the_report_of_a_file(lms: Caller, community: dict[str, Any]) -> None:
    """A-2, B-13 to B-16: with exactly the preview's messages."""
    batch = made(
        lms,
        community,
        {"id": "4821"},
        {"username": "nobody"},
        {"id": "4821", "username": "boris"},
        {"email": "ANNA@example.org"},
        {"username": "boris"},
    )
    assert (batch["status"], batch["users"], batch["percent"]) == ("Draft", 2, 0)
    assert batch["report"] == {
        "added": 2,
        "merged": 1,
        "already": 0,
        "errors": 2,
        "rows": [
            {
                "index": 1,
                "status": "error",
                "message": "Where Id, Username or Email was not found",
                "note": "No member is named nobody.",
            },
            {
                "index": 2,
                "status": "error",
                "message": "User was not found",
                "note": "ID 4821 belongs to anna. Username boris belongs to boris.",
            },
            {
                "index": 3,
                "status": "merged",
                "message": "With duplicated info, these rows will be automatically merged",
                "note": "Same member as line 1 (anna).",
            },
        ],
    }
    more = lms.post(f"/batches/{batch['id']}/members", {"members": [{"id": "4821"}, {"id": "9"}]})
    assert more.json is not None
    assert more.json["report"]["already"] == 1
    assert more.json["report"]["rows"][0]["message"] == "This user is already in the batch."
    assert more.json["users"] == 3


@pytest.mark.databases("sqlite", "postgresql")
def test_a_batch_is_published_retried_dismissed_and_extended(
    app: Flask, lms: Caller, community: dict[str, Any]
) -> None:
    """A-2, B-23, B-36, B-37: published, errors retried and dismissed, members added and published."""
    batch = made(lms, community, {"id": "4821"}, {"id": "4822"}, {"id": "9"})
    path = f"/batches/{batch['id']}"
    published = lms.post(f"{path}/publication")
    assert published.json is not None
    assert (published.status_code, published.json["status"]) == (202, "Unpublished")
    again = lms.post(f"{path}/publication")
    assert (again.status_code, again.json) == (200, published.json) or again.status_code == 202
    with app.app_context():
        run(int(batch["id"]))
    done = lms.get(path).json
    assert done is not None
    assert (done["status"], done["percent"]) == ("Partially published", 100)
    assert done["counts"] == {"published": 2, "error": 1, "unpublished": 0, "already_held": 0}
    errors = lms.get(f"{path}/members?status=Error").json
    assert errors is not None
    (entry,) = errors["items"]
    assert (entry["member"]["id"], entry["error"]) == ("9", "This member has left the community.")
    refused = lms.post(f"{path}/members", {"members": [{"id": "4821"}]})
    assert refused.status_code == 409
    assert "You can add members once errors are retried or dismissed." in refused.text
    assert lms.post(f"{path}/retries").status_code == 202
    with app.app_context():
        run(int(batch["id"]))
    dismissed = lms.post(f"{path}/dismissal")
    assert dismissed.json is not None
    assert (dismissed.json["status"], dismissed.json["users"]) == ("Published", 2)
    assert lms.post(f"{path}/dismissal").status_code == 200
    assert lms.post(f"{path}/retries").status_code == 200
    added = lms.post(f"{path}/members", {"members": [{"username": "sla/sh"}]})
    assert added.json is not None
    assert (added.json["status"], added.json["counts"]["unpublished"]) == ("Published", 1)
    assert lms.post(f"{path}/publication").status_code == 202
    with app.app_context():
        run(int(batch["id"]))
        who = db.session.execute(
            select(Award.awarded_key, Award.source).where(Award.batch_id == int(batch["id"]))
        ).all()
    assert [tuple(row) for row in who] == [(lms.key_id, "batch")] * 3
    assert lms.delete(path).status_code == 409


def test_a_batch_is_stopped_and_undone(app: Flask, lms: Caller, community: dict[str, Any]) -> None:
    """A-2, B-38, B-40: in the key's name; repeating either changes nothing."""
    batch = made(lms, community, {"id": "4821"}, {"id": "4822"})
    path = f"/batches/{batch['id']}"
    assert lms.post(f"{path}/reversal").status_code == 409
    lms.post(f"{path}/publication")
    stopped = lms.post(f"{path}/halt")
    assert stopped.json is not None
    assert (stopped.status_code, stopped.json["counts"]["error"]) == (200, 2)
    entries = lms.get(f"{path}/members").json
    assert entries is not None
    assert {one["error"] for one in entries["items"]} == {'Stopped by API key "LMS"'}
    assert lms.post(f"{path}/halt").json == stopped.json
    lms.post(f"{path}/retries")
    with app.app_context():
        run(int(batch["id"]))
    undone = lms.post(f"{path}/reversal")
    assert undone.status_code == 202
    with app.app_context():
        run(int(batch["id"]))
        lines = search.latest("batch", int(batch["id"]), 9)
    again = lms.post(f"{path}/reversal")
    assert again.json is not None
    assert (again.status_code, again.json["undone_at"] is not None) == (200, True)
    assert {line.event.actor for line in lines} == {'API key "LMS"'}
    awards = lms.get(f"/awards?batch={batch['id']}").json
    assert awards is not None
    assert {one["state"] for one in awards["items"]} == {"revoked"}


def test_a_draft_is_emptied_and_deleted(lms: Caller, community: dict[str, Any]) -> None:
    """A-2: removing twice changes nothing; a deleted draft is not found."""
    batch = made(lms, community, {"id": "4821"}, {"id": "4822"})
    path = f"/batches/{batch['id']}"
    for _ in range(2):
        assert lms.delete(f"{path}/members/4821").status_code == 204
    assert lms.delete(f"{path}/members/nobody").status_code == 404
    left = lms.get(f"{path}/members").json
    assert left is not None
    assert [one["member"]["id"] for one in left["items"]] == ["4822"]
    assert lms.delete(path).status_code == 204
    assert lms.delete(path).status_code == 404


def test_missing_values_are_reported_at_publication(lms: Caller, community: dict[str, Any]) -> None:
    """B-7, A-5: name and quest are required only at publication; both are reported at once."""
    bare = lms.post("/batches", {}).json
    assert bare is not None
    answer = lms.post(f"/batches/{bare['id']}/publication")
    assert answer.json is not None
    assert (answer.status_code, answer.json["errors"]) == (
        422,
        [
            {"pointer": "#/name", "message": "Enter a name."},
            {"pointer": "#/quest", "message": "Choose a badge."},
        ],
    )
    named = lms.post("/batches", {"name": "x"}).json
    assert named is not None
    answer = lms.post(f"/batches/{named['id']}/publication")
    assert answer.json is not None
    assert answer.json["errors"][0]["pointer"] == "#/quest"
    archived = lms.post("/batches", {"name": "x", "quest": str(community["old"].id)})
    assert archived.status_code == 422


def test_a_batch_has_its_limit(app: Flask, lms: Caller, community: dict[str, Any]) -> None:
    """B-12: above it, nothing is created, and the error has both numbers. One request may name four times as many."""
    members = [{"id": str(n)} for n in range(5_001)]
    lms.post(
        "/member-imports",
        {"members": [{**one, "username": f"u{one['id']}"} for one in members[:1000]]},
    )
    from dataclasses import replace

    before = app.config["LAUREL"]
    app.config["LAUREL"] = replace(before, batch_max_members=999)
    try:
        answer = lms.post("/batches", {"name": "x", "members": members[:1000]})
        assert answer.status_code == 409
        assert "up to 999 members; this would make 1,000" in answer.text
        answer = lms.post("/batches", {"members": members[:3997]})
        assert answer.status_code == 422
        assert "You've sent 3,997 members; the limit is 3,996." in answer.text
    finally:
        app.config["LAUREL"] = before
    assert lms.get("/batches").json == {"items": [], "next": None}


@pytest.mark.databases("sqlite", "postgresql")
def test_batches_and_entries_are_listed_in_parts(
    app: Flask, lms: Caller, community: dict[str, Any], make: Make
) -> None:
    """A-5: newest first, with a fixed number of queries."""
    for place in range(5):
        lms.post("/batches", {"name": f"Batch {place}"})
    names, cursor = [], ""
    while True:
        page = lms.get(f"/batches?limit=2{cursor}").json
        assert page is not None
        names += [one["name"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert names == [f"Batch {place}" for place in (4, 3, 2, 1, 0)]
    listed = lms.get("/batches?status=Published").json
    assert listed == {"items": [], "next": None}
    batch = make.batch(make.members(7), community["quest"])
    found, cursor, asks = [], "", []
    while True:
        with app.app_context(), statements() as sent:
            page = lms.get(f"/batches/{batch.id}/members?limit=3{cursor}").json
        asks.append(len(sent))
        assert page is not None
        found += [one["member"]["username"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == [f"user{place}" for place in range(7, 0, -1)]
    assert len(set(asks[1:])) == 1


@pytest.mark.databases("sqlite", "postgresql")
def test_every_action_in_the_audit_log_is_the_keys(
    app: Flask, lms: Caller, community: dict[str, Any]
) -> None:
    """L-1, A-3: the sentences say which key created and filled it."""
    batch = made(lms, community, {"id": "4821"}, {"id": "nobody"})
    lms.delete(f"/batches/{batch['id']}")
    with app.app_context():
        lines = [line.sentence for line in search.latest("batch", int(batch["id"]), 9)]
        found = search.page(AuditFilters(text="lms")).lines
        assert len(found) == 4  # and its creation
        assert len(search.page(AuditFilters(origin=Origin.API)).lines) == 3
        laurel = search.page(AuditFilters(actor=search.LAUREL)).lines
        assert [line.event.verb for line in laurel] == ["key.made"]
    assert lines == [
        'API key "LMS" deleted the draft “May” (1 member)',
        'API key "LMS" added 1 member to the batch “May”, skipping 1 row',
        'API key "LMS" created the batch “May”',
    ]


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_is_blank_or_reorders_text_is_refused(lms: Caller, name: str) -> None:
    """As on the pages: names must be visible, and read in the order in which they are written."""
    answer = lms.post("/batches", {"name": name})
    assert answer.status_code in (409, 422)
    assert "name" in answer.text
