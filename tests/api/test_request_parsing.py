"""Invalid JSON, JSON with extensions, values outside the schemas, unknown URLs (A109, A110)."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.api.conftest import Caller
from tests.factories import Make

UNREADABLE = {
    "empty": b"",
    "cut": b'{"quest": "1", ',
    "text": b"quest=1",
    "two values": b"{} {}",
    "NaN": b'{"quest": NaN}',
    "Infinity": b'{"quest": -Infinity}',
    "1e400": b'{"quest": 1e400}',
    "5,000 digits": b'{"quest": ' + b"9" * 5000 + b"}",
    "twice": b'{"quest": "1", "quest": "2"}',
    "twice, deep": b'{"member": {"id": "1", "id": "2"}}',
    "half a character": b'{"quest": "\\ud800"}',
    "half a character as a key": b'{"\\udfff": 1}',
    "not UTF-8": b'{"quest": "\xff"}',
    "UTF-16": '{"quest": "1"}'.encode("utf-16"),
    "a mark": b"\xef\xbb\xbf{}",
    "100 deep": b"[" * 100 + b"]" * 100,
    "100,000 deep": b'{"a":' * 100_000,
    "a control": b'{"quest": "\x01"}',
    "single quotes": b"{'quest': 1}",
    "comment": b'{"quest": "1"} // one',
    "trailing comma": b'{"quest": "1",}',
}


def test_invalid_json_is_rejected(lms: Caller) -> None:
    """A109: 400 with a sentence, quickly; never a server error."""
    for name, raw in UNREADABLE.items():
        began = time.thread_time()
        answer = lms.post("/awards", raw=raw)
        assert answer.status_code == 400, name
        assert answer.json is not None
        assert answer.json["detail"].startswith("The body "), name
        assert "Expecting" not in answer.text
        assert time.thread_time() - began < 2, name


OTHERS = ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json")
OTHERS += ("application/json; charset=latin-1", "application/xml")


def test_another_content_type_is_rejected(lms: Caller) -> None:
    """A109: 415; the content type is not guessed."""
    for kind in OTHERS:
        answer = lms.post("/awards", raw=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415, kind


def test_a_body_that_is_too_large_is_rejected(lms: Caller) -> None:
    """A109: 413."""
    assert lms.post("/awards", raw=b" " * (1024 * 1024 + 1)).status_code == 413


def test_all_errors_of_a_body_are_reported_at_once(lms: Caller) -> None:
    """A-5: each with its pointer, without repeating the values."""
    body = {
        "members": [{"id": 4821}, {}, {"username": ""}, {"nick/name": "x", "email": "a\x00b"}],
        "reason": "x" * 501,
        "Quest": "1",
    }
    answer = lms.post("/group-awards", body)

    assert answer.status_code == 422
    assert answer.json is not None
    errors = {one["pointer"]: one["message"] for one in answer.json["errors"]}
    assert errors == {
        "#/quest": "This field is required.",
        "#/members/0/id": "This must be a string.",
        "#/members/1": "Identify the member by id, username or email.",
        "#/members/2/username": "This must not be empty.",
        "#/members/3/nick~1name": "Unknown name. Check its spelling.",
        "#/members/3/email": "This must not contain the character NUL.",
        "#/reason": "Use at most 500 characters.",
        "#/Quest": "Unknown name. Check its spelling.",
    }


EVENT = {"event_id": "1", "member": {"id": "1"}, "activity": "posts", "at": "2026-01-01T00:00:00Z"}
AMOUNTS = (2**63, -(2**63) - 1, 10**30, 1.5, "1", True, None, 1_000_000_001)


def test_numbers_out_of_range_are_rejected(lms: Caller) -> None:
    """A109: 422 with the pointer."""
    for amount in AMOUNTS:
        answer = lms.post("/activities", [{**EVENT, "amount": amount}])
        assert answer.status_code == 422, amount
        assert answer.json is not None
        assert [one["pointer"] for one in answer.json["errors"]] == ["#/0/amount"]


TIMES = ("yesterday", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+01:00", "")
TIMES += ("9999-12-31T23:59:59-01:00", "2026-02-30T00:00:00Z", "a\x00", "x" * 5000)


def test_an_invalid_time_affects_only_its_own_event(lms: Caller, make: Make) -> None:
    """A109: without a time zone, out of range, or not a time; the others are counted."""
    make.member("anna", external_id="1")
    events = [{**EVENT, "event_id": f"e{place}", "at": at} for place, at in enumerate(TIMES)]
    answer = lms.post("/activities", [EVENT, *events, {**EVENT, "event_id": "last"}])

    assert answer.status_code == 200
    counts: Any = answer.json
    assert (counts["counted"], counts["errors"]) == (2, len(TIMES))
    for result in counts["results"][1:-1]:
        assert result["status"] == "error"
        assert result["error"].startswith("at: This must be a time in "), result
    wrong = lms.post("/activities", [{**EVENT, "event_id": "number", "at": 1767225600}])
    assert wrong.status_code == 422


QUERIES = ("limit=0", "limit=-1", "limit=1000000", "limit=x", "limit=1.5", "limit=", "sort=name")
QUERIES += ("page=0", "limit=5&limit=6", "cursor=x", "cursor=", "cursor=WyJhd2FyZHMiLDFd")
QUERIES += (
    "cursor=W10",
    "cursor=bnVsbA",
    "cursor=WyJtZW1iZXJzIiwwLCJcdWQ4MDAiXQ",
    "q=" + "x" * 321,
)


def test_invalid_parameters_are_rejected(lms: Caller) -> None:
    """A110: 422 with the parameter, quickly."""
    for query in QUERIES:
        began = time.thread_time()
        answer = lms.get(f"/members?{query}")
        assert answer.status_code == 422, query
        assert answer.json is not None
        assert [one["parameter"] for one in answer.json["errors"]] == [query.split("=")[0]]
        assert time.thread_time() - began < 2


NOWHERE = ("/nowhere", "/members/", "/batches/1/nothing", "/batches/abc", "/badges/-1")
NOWHERE += ("/badges/99999999999999999999", "/badges/%00", "/members/%00", "/members/%FF")


def test_unknown_objects_are_404(lms: Caller) -> None:
    """A-5: 404 as a problem."""
    for path in NOWHERE:
        assert lms.get(path).status_code == 404, path


def test_unsupported_methods_are_405(lms: Caller) -> None:
    """A-5: 405 as a problem, with the allowed methods."""
    answer = lms.delete("/awards")

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert lms.ask("OPTIONS", "/awards").status_code == 405


def test_operations_without_a_body_need_none(lms: Caller) -> None:
    """An action on a batch accepts no body or an empty object; anything in it is an error."""
    made = lms.post("/batches", {}).json
    assert made is not None
    path = f"/batches/{made['id']}/halt"
    assert lms.post(path).status_code == 200
    assert lms.post(path, {}).status_code == 200
    assert lms.post(path, {"now": True}).status_code == 422
    assert lms.post(path, raw=json.dumps([]).encode()).status_code == 422
