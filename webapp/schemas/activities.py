"""Member activity."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, RootModel, TypeAdapter

from webapp.schemas.common import Index, InputModel, MemberRef, Moment, OutputModel, Text

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
LARGEST = 1_000_000_000


class ActivityIn(InputModel):
    """Something that a member did."""

    event_id: Annotated[
        Text,
        Field(
            min_length=1,
            max_length=190,
            description="Your own unique ID of the event. An event is counted only once, however often you send it.",
        ),
    ]
    member: Annotated[MemberRef, Field(description="The member who did it.")]
    activity: Annotated[
        str,
        Field(
            min_length=1,
            max_length=60,
            pattern=r"^[A-Za-z0-9_.:\-]+$",
            description="What the member did, by a name of your choice, such as `posts`, `replies` or `logins`.",
        ),
    ]
    amount: Annotated[
        int,
        Field(
            ge=-LARGEST,
            le=LARGEST,
            description="How many times they did it. Negative amounts correct earlier events.",
        ),
    ] = 1
    at: Annotated[
        str,
        Field(
            description="When they did it: RFC 3339 with its offset from UTC, such as `2026-05-04T10:20:00Z`. An "
            "event with another value isn't counted, and doesn't affect the others."
        ),
    ]

    def moment(self) -> datetime:
        """Return when it happened; raises ValidationError."""
        return MOMENT.validate_json(json.dumps(self.at), strict=True)


class Activities(RootModel[Annotated[list[ActivityIn], Field(min_length=1, max_length=1000)]]):
    """A list of 1 to 1,000 events."""


class ActivityCounted(OutputModel):
    """The result for one event."""

    index: Index
    event_id: Annotated[str, Field(description="The event's ID.", examples=["post-90210"])]
    status: Annotated[
        Literal["counted", "repeated", "error"],
        Field(
            description="`repeated`: an event with this ID has already been counted. `error`: it wasn't counted."
        ),
    ]
    error: Annotated[
        str | None, Field(description="Why the event wasn't counted.", examples=[None])
    ] = None


class ActivitiesCounted(OutputModel):
    """The results for all events."""

    counted: Annotated[int, Field(description="How many events were counted.", examples=[1])]
    repeated: Annotated[
        int, Field(description="How many events had already been counted.", examples=[0])
    ]
    errors: Annotated[int, Field(description="How many events weren't counted.", examples=[0])]
    results: Annotated[
        list[ActivityCounted],
        Field(description="One result per event, in the order of the request."),
    ]
