"""Idempotency: the same key and body give the same response and one effect (A-4, X31 to X33)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select, update

from tests.api.conftest import Caller
from webapp.api.framework import openapi
from webapp.api.framework.request_parsing import canonical
from webapp.database import db
from webapp.domain.api_access import idempotency
from webapp.domain.members.personal_data import PersonalData
from webapp.domain.operations import maintenance
from webapp.models import AuditEvent, Award, Batch, IdempotentRequest, Member
from webapp.transaction import transaction

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def count(app: Flask, table: Any) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(table)) or 0


def test_the_same_request_has_one_effect(app: Flask, lms: Caller) -> None:
    """A-4: for 24 hours, the response has the same status and identical content."""
    key = {"Idempotency-Key": "course-4821"}
    first = lms.post("/batches", {"name": "May"}, headers=key)
    again = lms.post("/batches", {"name": "May"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert count(app, Batch) == 1
    without = lms.post("/batches", {"name": "May"})
    assert without.data != first.data
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=23, minutes=59)):
        assert lms.post("/batches", {"name": "May"}, headers=key).data == first.data
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24, seconds=1)):
        assert lms.post("/batches", {"name": "May"}, headers=key).data != first.data
    assert count(app, Batch) == 3


NOTATIONS = (
    b'{"name": "Mai \\u00fc", "members": [{"id": "a", "username": "b"}]}',
    '{"members":[{"username":"b","id":"a"}],"name":"Mai \u00fc"}'.encode(),
    '\n{\t"n\\u0061me" : "Mai \u00fc" , "members":[ {"id":"\\u0061","username":"b"} ] }\r\n'.encode(),
)


def test_the_same_json_in_another_notation_is_the_same_request(app: Flask, lms: Caller) -> None:
    """A-14: order of keys, spaces and escapes don't matter; a replay says that it is one."""
    first, *others = (
        lms.post("/batches", raw=raw, headers={"Idempotency-Key": "k"}) for raw in NOTATIONS
    )
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    for other in others:
        assert (other.status_code, other.data) == (201, first.data)
        assert other.headers["Idempotent-Replayed"] == "true"
    assert count(app, Batch) == 1
    swapped = b'{"name": "Mai \\u00fc", "members": [{"id": "b", "username": "a"}]}'
    assert lms.post("/batches", raw=swapped, headers={"Idempotency-Key": "k"}).status_code == 422


def test_numbers_are_compared_by_value() -> None:
    """A-14: 1.0 and 1e0 are 1; true, text and other numbers aren't."""
    same = {canonical(raw) for raw in (b"[1]", b"[1.0]", b"[1e0]", b"[10E-1]", b"[ 1 ]")}
    assert same == {b"[1]"}
    assert canonical(b"[1e20]") == canonical(b"[100000000000000000000]")
    assert canonical(b"[-0.0]") == canonical(b"[0]")
    others = (b"[1.5]", b"[true]", b'["1"]', b"[null]", b"[[1]]", b"[1, 1]", b"[2]")
    assert len({canonical(raw) for raw in others} - same) == len(others)


def test_keys_stored_by_an_earlier_version_still_work(app: Flask, lms: Caller) -> None:
    """A-14: it stored the hash of the bytes."""
    raw = b'{ "name" : "May" }'
    first = lms.post("/batches", raw=raw, headers={"Idempotency-Key": "k"})
    before = hashlib.sha256(b"POST /api/v1/batches?\n" + raw).hexdigest()
    with app.app_context(), transaction():
        db.session.execute(update(IdempotentRequest).values(request_hash=before))
    again = lms.post("/batches", raw=raw, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.data) == (201, first.data)
    assert count(app, Batch) == 1


def test_the_key_is_described_as_it_is_validated(app: Flask, lms: Caller) -> None:
    """A-14: the pattern of the description matches exactly the keys that are accepted."""
    with app.app_context():
        parameters = openapi.document()["paths"]["/batches"]["post"]["parameters"]
    (schema,) = (one["schema"] for one in parameters if one["name"] == "Idempotency-Key")
    for key in ("a", "a b", "~!", "x" * 255, "x" * 256, "", "a\tb", "na\u00efve"):
        valid = bool(re.search(schema["pattern"], key)) and len(key) <= schema["maxLength"]
        status = lms.post("/batches", {}, headers={"Idempotency-Key": key}).status_code
        assert (status == 201) == valid, key


def test_another_request_with_the_key_is_refused(app: Flask, lms: Caller) -> None:
    """A-4, X32: with another body or path, the request has no effect."""
    key = {"Idempotency-Key": "one"}
    first = lms.post("/batches", {"name": "May"}, headers=key).json
    assert first is not None
    for path, body in (("/batches", {"name": "June"}), (f"/batches/{first['id']}/halt", None)):
        answer = lms.post(path, body, headers=key)
        assert answer.status_code == 422
        assert answer.json is not None
        assert answer.json["type"].endswith("key-reused")
    assert count(app, Batch) == 1


def test_callers_have_separate_keys(app: Flask, key_for: Callable[..., Caller]) -> None:
    """A-4: two callers may choose the same key."""
    for name in ("one", "two"):
        answer = key_for(name).post("/batches", {"name": name}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201
    assert count(app, Batch) == 2


def test_rejected_requests_are_not_stored(
    app: Flask, lms: Caller, community: dict[str, Any]
) -> None:
    """A-4: a corrected request may reuse its key after a validation error, a conflict or a 404."""
    key, quest = {"Idempotency-Key": "mend"}, str(community["quest"].id)
    for body in ({"quest": quest}, {"quest": quest, "member": {"id": "9"}}, {"quest": "no"}):
        assert lms.post("/awards", body, headers=key).status_code in (409, 422)
    assert count(app, IdempotentRequest) == 0
    good = {"quest": quest, "member": {"id": "4821"}}
    assert lms.post("/awards", good, headers=key).status_code == 201


def test_invalid_keys_are_rejected(lms: Caller) -> None:
    """A-4: an empty key, a long one, or one that a header can't represent unambiguously."""
    for key in ("", "x" * 256, "two\tparts", "naïve"):
        assert lms.post("/batches", {}, headers={"Idempotency-Key": key}).status_code == 400, key


def test_twelve_concurrent_requests_have_one_effect(
    app: Flask, lms: Caller, community: dict[str, Any]
) -> None:
    """A-4, X31, R4: twelve threads with one key give one award, one audit log entry, twelve equal responses."""
    body = {"quest": str(community["quest"].id), "member": {"id": "4821"}}

    def send(_: int) -> tuple[int, bytes]:
        answer = lms.post("/awards", body, headers={"Idempotency-Key": "at once"})
        return answer.status_code, answer.data

    with ThreadPoolExecutor(12) as threads:
        told = list(threads.map(send, range(12)))
    assert {status for status, _ in told} == {201}
    assert len(set(told)) == 1
    assert count(app, Award) == 1
    with app.app_context():
        made = select(func.count()).where(AuditEvent.verb == "award.made")
        assert db.session.scalar(made) == 1


def test_an_interrupted_request_is_processed_once(
    app: Flask, lms: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X33: the key is stored with the effect, so a rolled-back effect releases the key."""
    key, body = {"Idempotency-Key": "broken"}, {"members": [{"id": "a", "username": "a"}]}
    with monkeypatch.context() as broken:
        broken.setattr(idempotency, "save_response", lambda *_: 1 / 0)
        broken.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
        broken.setattr(app, "testing", False)
        failed = lms.post("/member-imports", body, headers=key)
    assert failed.status_code == 500
    assert failed.json is not None
    assert "Reference" in failed.json["detail"]
    assert "ZeroDivision" not in failed.text
    assert count(app, Member) == count(app, IdempotentRequest) == 0
    assert lms.post("/member-imports", body, headers=key).status_code == 200
    assert count(app, Member) == 1


def test_responses_are_deleted_after_a_day(app: Flask, lms: Caller) -> None:
    """A-4: by the clock process."""
    lms.post("/batches", {}, headers={"Idempotency-Key": "old"})
    with app.app_context():
        with transaction():
            maintenance.purge_expired(datetime.now(UTC) + timedelta(hours=23))
        assert count(app, IdempotentRequest) == 1
        with transaction():
            maintenance.purge_expired(datetime.now(UTC) + timedelta(hours=25))
        assert count(app, IdempotentRequest) == 0


def test_an_erased_member_is_removed_from_stored_responses(
    app: Flask, lms: Caller, community: dict[str, Any]
) -> None:
    """D-5: responses that name the member are deleted, others stay, and no request takes effect again."""
    quest = str(community["quest"].id)
    anna = {"quest": quest, "member": {"id": "4821"}}
    boris = {"quest": quest, "member": {"id": "4822"}}
    lms.post("/awards", anna, headers={"Idempotency-Key": "anna"})
    kept = lms.post("/awards", boris, headers={"Idempotency-Key": "boris"})
    with app.app_context(), transaction():
        idempotency.redact(PersonalData.of(db.session.get_one(Member, community["anna"].id)))
    gone = lms.post("/awards", anna, headers={"Idempotency-Key": "anna"})
    assert gone.status_code == 410
    assert lms.post("/awards", boris, headers={"Idempotency-Key": "boris"}).data == kept.data
    assert count(app, Award) == 2
    with app.app_context():
        bodies = db.session.scalars(select(IdempotentRequest.body)).all()
    assert not any("anna" in body for body in bodies if body)
