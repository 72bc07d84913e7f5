"""What members did, as it comes in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from webapp.schemas.common import InputModel, MemberRef, Moment, OutputModel, Text

LARGEST = 1_000_000_000


class ActivityIn(InputModel):
    """One event; its id decides that it is counted once, whenever it is sent again."""

    event_id: Annotated[Text, Field(min_length=1, max_length=190)]
    member: MemberRef
    activity: Annotated[
        str,
        Field(
            min_length=1,
            max_length=60,
            pattern=r"^[A-Za-z0-9_.:\-]+$",
            description="What was done, in the community's own name for it: posts, replies, logins.",
        ),
    ]
    amount: Annotated[int, Field(ge=-LARGEST, le=LARGEST)] = 1
    at: Moment


class Activities(RootModel[Annotated[list[ActivityIn], Field(min_length=1, max_length=1000)]]):
    """1 to 1,000 events."""


class ActivityCounted(OutputModel):
    """What became of one event."""

    index: Annotated[int, Field(description="Its place in the request, from 0.")]
    event_id: str
    status: Annotated[
        Literal["counted", "repeated", "error"],
        Field(description="`repeated`: an event with this id was counted before."),
    ]
    error: Annotated[str | None, Field(description="Why it was not counted.")] = None


class ActivitiesCounted(OutputModel):
    """What became of all of them."""

    counted: int
    repeated: int
    errors: int
    results: list[ActivityCounted]
