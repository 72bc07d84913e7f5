"""The maximum cost of an API request, whatever it contains (A109, A110, A-5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.cpu_time import cpu_seconds

MEGABYTE = 1024 * 1024
SECONDS = 5.0  # of CPU time; without limits, half a megabyte took 21


def filled(before: str, one: str, after: str) -> bytes:
    """A body of nearly a megabyte: `one` repeated, separated by commas."""
    number = (MEGABYTE - len(before) - len(after) - len(one)) // (len(one) + 1)
    return (before + f"{one}," * number + one + after).encode()


def keys(before: str, after: str) -> bytes:
    """A body whose object has as many different keys as fit into a megabyte."""
    return (before + ",".join(f'"{key:x}":1' for key in range(100_000)) + after).encode()


BODIES: dict[str, tuple[str, bytes]] = {
    "empty members": ("/batches", filled('{"members":[', "{}", "]}")),
    "numbers for members": ("/batches", filled('{"members":[', "1", "]}")),
    "members of another kind": ("/batches", filled('{"members":[', '{"a":1}', "]}")),
    "members nobody knows": ("/batches", filled('{"members":[', '{"id":"1"}', "]}")),
    "the same key": ("/batches", filled("{", '"a":1', "}")),
    "different keys, one twice": ("/batches", keys("{", ',"1869f":1}')),
    "different keys": ("/batches", keys("{", "}")),
    "different keys in a member": ("/batches", keys('{"members":[{', "}]}")),
    "events of nothing": ("/activities", filled("[", "{}", "]")),
    "imports of nothing": ("/member-imports", filled('{"members":[', "{}", "]}")),
    "group of nothing": ("/group-awards", filled('{"members":[', "{}", "]}")),
    "brackets in a text": ("/batches", filled('{"name":"', "[", '"}')),
    "one long key": ("/batches", b'{"' + b"/" * (MEGABYTE - 100) + b'":1}'),
    "one long name": ("/batches", b'{"name":"' + b"x" * (MEGABYTE - 100) + b'"}'),
    "a username of combining marks": (
        "/group-awards",
        '{{"quest":"1","members":[{{"username":"a{}"}}]}}'.format(
            "\u0301\u0316" * 250_000
        ).encode(),
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_the_worst_bodies_cost_little(lms: Caller, kind: str) -> None:
    """A109: up to 1 MB; the response is a short problem."""
    path, raw = BODIES[kind]
    assert len(raw) <= MEGABYTE
    answers: list[Any] = []
    assert cpu_seconds(lambda: answers.append(lms.post(path, raw=raw))) < SECONDS
    (answer,) = answers
    assert answer.status_code in (200, 201, 400, 422)
    problem: Any = answer.json
    assert len(problem.get("errors", [])) <= 100
    if answer.status_code >= 400:
        assert len(answer.data) < 60_000


@pytest.mark.parametrize("path", ["/awards", "/group-awards", "/batches", "/activities"])
def test_more_than_a_megabyte_is_refused(lms: Caller, path: str) -> None:
    """A109: 413 with the limit; exactly 1 MB is accepted."""
    answer = lms.post(path, raw=b" " * (MEGABYTE + 1))
    assert answer.status_code == 413
    assert answer.json is not None
    assert answer.json["detail"] == "A body can have up to 1 MB. Split it into several requests."
    assert lms.post(path, raw=b" " * MEGABYTE).status_code == 400


def test_the_body_limit_applies_to_every_operation(lms: Caller) -> None:
    """A109: for every operation with a body."""
    large = b" " * (MEGABYTE + 1)
    assert lms.put("/members/1", raw=large).status_code == 413
    assert lms.post("/awards/1/revocation", raw=large).status_code == 413


def test_100_errors_are_listed_and_the_others_counted(lms: Caller) -> None:
    """A-5: to keep the response readable."""
    answer = lms.post("/batches", {"members": [{}] * 1000})
    problem: Any = answer.json
    assert answer.status_code == 422
    assert problem["detail"] == "1,000 values are invalid; the first 100 are listed."
    assert [one["pointer"] for one in problem["errors"]] == [
        f"#/members/{place}" for place in range(100)
    ]


def test_a_duplicate_key_is_named(lms: Caller) -> None:
    """A109: at any depth, with the duplicate key."""
    answer = lms.post("/batches", raw=b'{"members": [{"id": "1", "username": "a", "id": "1"}]}')
    problem: Any = answer.json
    assert problem["detail"] == "The body has the key 'id' twice in one object."


LISTS = ("/members", "/badges", "/awards", "/batches", "/batches/1/members")


@pytest.mark.parametrize("path", LISTS)
def test_all_errors_of_a_query_string_are_reported_at_once(lms: Caller, path: str) -> None:
    """A110, A-5: a limit and a cursor, an unknown parameter, and one given twice."""
    answer = lms.get(f"{path}?limit=0&cursor=zz&colour=red&colour=blue&sort=name")
    assert answer.status_code == 422
    problem: Any = answer.json
    assert {one["parameter"]: one["message"] for one in problem["errors"]} == {
        "limit": "This must be at least 1.",
        "cursor": "This cursor is invalid. Start again without one.",
        "colour": "Give this parameter only once.",
        "sort": "Unknown name. Check its spelling.",
    }
    assert problem["detail"] == "4 values are invalid."


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_of_another_list_is_rejected(lms: Caller, path: str) -> None:
    """A110: also in addition to another error."""
    for cursor in ("W10", "bnVsbA", "WyJvdGhlcnMiLDFd", "x" * 3500):
        problem: Any = lms.get(f"{path}?cursor={cursor}&limit=9999").json
        assert [one["parameter"] for one in problem["errors"]] == ["limit", "cursor"]


def test_the_worst_url_costs_little(lms: Caller) -> None:
    """A110: the web server reads at most 8,190 bytes."""
    nested = json.dumps(["members", 0, "[" * 1000])
    for query in ("&".join(f"{key:x}=" for key in range(1800)), "a&" * 4000, "q=" + nested):
        answers: list[Any] = []
        path = f"/members?{query}"
        assert cpu_seconds(lambda path=path, to=answers: to.append(lms.get(path))) < SECONDS
        assert answers[0].status_code == 422
