"""Member activity: each event is counted once."""

from __future__ import annotations

from pydantic import ValidationError

from webapp.api.framework import value_errors
from webapp.api.framework.operations import Call, Reply, operation
from webapp.domain.activities import counters
from webapp.domain.activities.counters import ActivityEventIn
from webapp.domain.members.named import identify
from webapp.domain.permissions import Scope
from webapp.schemas.activities import Activities, ActivitiesCounted, ActivityCounted


@operation(
    "POST",
    "/activities",
    Scope.ACTIVITIES_WRITE,
    tag="Activities",
    summary="Send activity",
    body=Activities,
    responses={200: ActivitiesCounted},
    example={
        "body": [
            {
                "event_id": "post-90210",
                "member": {"id": "4821"},
                "activity": "posts",
                "at": "2026-05-04T10:20:00Z",
            },
            {
                "event_id": "like-771",
                "member": {"username": "boris"},
                "activity": "likes",
                "amount": 3,
                "at": "2026-05-04T12:21:07+02:00",
            },
        ]
    },
)
def count_activities(call: Call) -> Reply:
    """Counts up to 1,000 events and returns a result for each.

    Each event is counted once: if you send an `event_id` again, at any time, its status is `repeated` and nothing
    changes. So you can send the whole request again after a failure.

    An event whose member isn't found, or whose `at` isn't a time, gets the status `error` and doesn't affect the
    others. Send it again once the member exists, or with the right time.
    """
    events = call.body.root
    lines = identify([event.member.named() for event in events])
    happened, errors = {}, {}
    for place, (event, line) in enumerate(zip(events, lines, strict=True)):
        if line.member_id is None:
            errors[place] = str(line.message)
            continue
        try:
            at = event.moment()
        except ValidationError as problem:
            errors[place] = f"at: {value_errors.message(problem.errors()[0])}"
            continue
        happened[place] = ActivityEventIn(
            event.event_id, line.member_id, event.activity, event.amount, at
        )
    fresh = counters.record_events(list(happened.values()), call.actor)
    results = []
    for place, event in enumerate(events):
        status, error = "repeated", None
        if place in errors:
            status, error = "error", errors[place]
        elif event.event_id in fresh:
            status = "counted"
            fresh.discard(event.event_id)  # a second event with the same ID is a repetition
        results.append(
            ActivityCounted.model_construct(
                index=place, event_id=event.event_id, status=status, error=error
            )
        )
    numbers = {
        word: sum(result.status == word for result in results)
        for word in ("counted", "repeated", "error")
    }
    answer = ActivitiesCounted.model_construct(
        counted=numbers["counted"],
        repeated=numbers["repeated"],
        errors=numbers["error"],
        results=results,
    )
    return Reply(200, answer)
