"""The feed of events."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from webapp.domain.dates import moment
from webapp.domain.webhooks.deliveries import event_id
from webapp.domain.webhooks.event_feed import FeedPage, Place
from webapp.schemas import cursors
from webapp.schemas.awards import AwardOut
from webapp.schemas.badges import BadgeOut, QuestWithBadge
from webapp.schemas.batches import BatchOut
from webapp.schemas.common import MOST, InputModel, OutputModel, Time
from webapp.schemas.members import MemberOut
from webapp.schemas.webhook_payloads import MemberErased, data

LATEST = "latest"
CURSOR = "events", int, int, int


class EventListParams(InputModel):
    """Where to start, and how many events to return."""

    after: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="The value of `next` from your previous request, or `latest` for a cursor after the last "
            "event. Without it, returns the oldest events.",
        ),
    ] = None
    limit: Annotated[
        int, Field(ge=1, le=MOST, strict=False, description="How many events to return.")
    ] = 50

    @field_validator("after")
    @classmethod
    def _of_the_feed(cls, after: str | None) -> str | None:
        if after != LATEST:
            cursors.decode(CURSOR[0], after, *CURSOR[1:])
        return after

    @property
    def place(self) -> Place | None:
        parts = cursors.decode(CURSOR[0], self.after, *CURSOR[1:])
        return Place(*parts) if parts else None


class EventOut(OutputModel):
    """Something that happened, as in the webhook of the same type."""

    id: Annotated[
        str,
        Field(
            description="The event's ID. A webhook about this event alone has it as its `webhook-id`.",
            examples=["msg_7f0e2a8f6f4b1d5c9a3e8b2d4c6f1a90"],
        ),
    ]
    type: Annotated[
        str,
        Field(
            description="The type of event. Ignore types you don't know: others may be added.",
            examples=["award.created"],
        ),
    ]
    timestamp: Annotated[Time, Field(description="When it happened.")]
    data: Annotated[
        AwardOut | MemberOut | MemberErased | BadgeOut | QuestWithBadge | BatchOut | None,
        Field(
            description="What the event is about, as it is now: the object that the type's webhook has. Null if it "
            "no longer exists, such as a member who has been erased since."
        ),
    ]


class EventPage(OutputModel):
    """Some events, in the order in which they happened."""

    items: Annotated[list[EventOut], Field(description="The events.")]
    next: Annotated[
        str,
        Field(
            description="The `after` of your next request. Store it once you have processed the items.",
            examples=["WyJldmVudHMiLDI4MTQ3NDk3NjcxMDY1NSwxMjAsMF0"],
        ),
    ]
    has_more: Annotated[
        bool, Field(description="Whether there are more events to read now.", examples=[False])
    ]

    @classmethod
    def of(cls, page: FeedPage) -> EventPage:
        items = [
            EventOut.model_construct(
                id=event_id(event),
                type=str(event.kind),
                timestamp=moment(event.at),
                data=content,
            )
            for event, content in zip(page.events, data(page.events), strict=True)
        ]
        following = cursors.encode(CURSOR[0], page.next)
        return cls.model_construct(items=items, next=following, has_more=page.more)
