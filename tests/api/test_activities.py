"""Activity events: counted once each, even if sent concurrently (T-2, A-2)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.api.conftest import Caller
from tests.counting import statements
from webapp.database import db
from webapp.models import ActivityCount, ActivityEvent


def event(event_id: str, member: str = "4821", amount: int = 1, **more: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "member": {"id": member},
        "activity": "posts",
        "amount": amount,
        "at": "2026-05-04T12:21:07+02:00",
        **more,
    }


def sums(app: Flask) -> dict[tuple[int, str], int]:
    with app.app_context():
        rows = select(ActivityCount.member_id, ActivityCount.activity, ActivityCount.amount)
        return {(member, name): amount for member, name, amount in db.session.execute(rows)}


def test_each_event_counts_once(app: Flask, lms: Caller, community: dict[str, Any]) -> None:
    """T-2: within one request, in two, or with another amount; events of unknown members may be sent again later."""
    anna, boris = community["anna"].id, community["boris"].id
    first = lms.post(
        "/activities",
        [
            event("a"),
            event("b", amount=4),
            event("a", amount=9),
            event("c", "4822"),
            event("d", "x"),
        ],
    ).json
    assert first is not None
    assert [one["status"] for one in first["results"]] == [
        "counted",
        "counted",
        "repeated",
        "counted",
        "error",
    ]
    assert first["results"][4]["error"] == "Where Id, Username or Email was not found"
    assert (first["counted"], first["repeated"], first["errors"]) == (3, 1, 1)
    assert sums(app) == {(anna, "posts"): 5, (boris, "posts"): 1}
    lms.put("/members/x", {"username": "late"})
    body = [event("b", amount=100), event("d", "x"), event("e", amount=-2, activity="likes")]
    second = lms.post("/activities", body).json
    assert second is not None
    assert [one["status"] for one in second["results"]] == ["repeated", "counted", "counted"]
    assert sums(app)[anna, "posts"] == 5
    assert sums(app)[anna, "likes"] == -2
    with app.app_context():
        kept = db.session.get_one(ActivityEvent, "a")
        assert (kept.amount, kept.at.isoformat()) == (1, "2026-05-04T10:21:07+00:00")


def test_a_thousand_take_as_many_statements_as_one(
    app: Flask, lms: Caller, community: dict[str, Any]
) -> None:
    """T-2: processing is set-based; 1,001 events are rejected."""
    counted = []
    for prefix, number in (("one", 1), ("many", 1000)):
        body = [event(f"{prefix}{n}", amount=n) for n in range(1, number + 1)]
        with app.app_context(), statements() as sent:
            assert lms.post("/activities", body).status_code == 200
        counted.append(len(sent))
    assert counted[1] <= counted[0]
    assert sums(app) == {(community["anna"].id, "posts"): 1 + 500_500}
    assert lms.post("/activities", [event(str(n)) for n in range(1001)]).status_code == 422
    assert lms.post("/activities", []).status_code == 422


@pytest.mark.databases("sqlite", "postgresql")
def test_concurrent_requests_with_the_same_events_count_once(
    app: Flask, lms: Caller, community: dict[str, Any]
) -> None:
    """T-2: whatever the order in which they are sent."""
    events = [event(f"e{n}", ("4821", "4822")[n % 2]) for n in range(60)]

    def send(turn: int) -> int:
        body = events if turn % 2 else list(reversed(events))
        answer = lms.post("/activities", body).json
        assert answer is not None
        return int(answer["counted"])

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(send, range(8))) == 60
    assert sums(app) == {
        (community["anna"].id, "posts"): 30,
        (community["boris"].id, "posts"): 30,
    }
