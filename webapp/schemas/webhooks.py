"""Webhooks and their deliveries."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field

from webapp.domain.dates import moment
from webapp.domain.webhooks import deliveries
from webapp.domain.webhooks.endpoints import EndpointSummary
from webapp.models import Delivery, DeliveryState, WebhookEvent
from webapp.schemas.common import (
    LEFT_OUT,
    InputModel,
    Key,
    Moment,
    NextCursor,
    OutputModel,
    PageParams,
    Text,
    Time,
)

Url = Annotated[
    Text,
    Field(
        max_length=2000,
        description="Where to send messages: an https URL at a public address, on port 443 or 8443.",
    ),
]
EventName = Annotated[
    str, Field(max_length=40, json_schema_extra={"enum": [str(kind) for kind in WebhookEvent]})
]
Events = Annotated[
    list[EventName],
    Field(
        min_length=1,
        max_length=50,
        description="The events to send. Either `award.created` or `awards.created`, not both.",
    ),
]
DELIVERY_STATES = {
    "pending": DeliveryState.WAITING,
    "delivered": DeliveryState.DELIVERED,
    "failed": DeliveryState.FAILED,
}
_NAMES = {state: name for name, state in DELIVERY_STATES.items()}


class WebhookIn(InputModel):
    """A webhook to create."""

    url: Url
    events: Events


class WebhookChange(InputModel):
    """Changes of a webhook. Fields you leave out stay as they are."""

    url: Url = LEFT_OUT
    events: Events = LEFT_OUT
    enabled: Annotated[
        bool,
        Field(
            description="Whether messages are sent. While a webhook is off, no events are stored for it; pending "
            "messages are sent when it's on again, unless they are older than three days."
        ),
    ] = LEFT_OUT


class Rotation(InputModel):
    """How to rotate a secret. You can also leave out the body."""

    drop_previous: Annotated[
        bool,
        Field(
            description="Rotate even if the secret was already rotated in the last 24 hours. Receivers that still use "
            "the secret before that are cut off."
        ),
    ] = False


class RedeliveriesIn(InputModel):
    """What to send again."""

    since: Annotated[
        Moment, Field(description="Everything whose last attempt failed at this time or later.")
    ]


class DeliveryListParams(PageParams):
    """Filters for deliveries."""

    list_name = "deliveries"
    list_order = (int,)

    state: Annotated[
        Literal["pending", "delivered", "failed"] | None,
        Field(description="Only deliveries in this state."),
    ] = None


class WebhookOut(OutputModel):
    """A webhook."""

    id: Annotated[Key, Field(description="The webhook's ID.", examples=["2"])]
    host: Annotated[
        str,
        Field(
            description="Where messages are sent. The rest of the URL may be secret, so it isn't returned.",
            examples=["https://hooks.example.org/…"],
        ),
    ]
    events: Annotated[
        list[str], Field(description="The events it receives.", examples=[["award.created"]])
    ]
    enabled: Annotated[bool, Field(description="Whether messages are sent.", examples=[True])]
    disabled_reason: Annotated[
        str | None,
        Field(description="Why Laurel turned it off, if it did.", examples=[None]),
    ]
    failures: Annotated[
        int,
        Field(description="How many times in a row sending has failed.", examples=[0]),
    ]
    pending: Annotated[int, Field(description="How many deliveries are pending.", examples=[0])]
    failed: Annotated[int, Field(description="How many deliveries were given up.", examples=[0])]
    created_at: Annotated[Time, Field(description="When it was created.")]
    previous_secret_until: Annotated[
        Time | None,
        Field(
            description="Until when messages are also signed with the previous secret.",
            examples=[None],
        ),
    ]

    @classmethod
    def of(cls, summary: EndpointSummary) -> Self:
        return cls.model_construct(**_columns(summary))


class WebhookWithSecret(WebhookOut):
    """A webhook with its signing secret, which you won't see again."""

    secret: Annotated[
        str,
        Field(
            description="The receiver uses it to verify messages.",
            examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        ),
    ]

    @classmethod
    def with_(cls, summary: EndpointSummary, secret: str) -> Self:
        return cls.model_construct(**_columns(summary), secret=secret)


class WebhookPage(OutputModel):
    """All webhooks, newest first."""

    items: Annotated[list[WebhookOut], Field(description="The webhooks.")]
    next: NextCursor


class DeliveryOut(OutputModel):
    """An event for a webhook."""

    id: Annotated[Key, Field(description="The delivery's ID.", examples=["318"])]
    event: Annotated[str, Field(description="The event's type.", examples=["award.created"])]
    subject: Annotated[
        str | None,
        Field(
            description="The ID of what it's about, such as an award. Null for tests and events of members.",
            examples=["57"],
        ),
    ]
    message_id: Annotated[
        str | None,
        Field(
            description="The message's `webhook-id`. Null until an award is assigned to a message of "
            "`awards.created`.",
            examples=["msg_8c2f6a0d1e9b4f37a5c8e2d1b0f94e63"],
        ),
    ]
    state: Annotated[
        Literal["pending", "delivered", "failed"],
        Field(
            description="`failed`: it was given up, and you can send it again.",
            examples=["delivered"],
        ),
    ]
    attempts: Annotated[
        int, Field(description="How many times it was sent since it was requested.", examples=[1])
    ]
    at: Annotated[Time, Field(description="When the event happened.")]
    attempted_at: Annotated[Time | None, Field(description="When it was last sent.")]
    next_attempt_at: Annotated[
        Time | None,
        Field(description="When it will be sent next, if it's pending.", examples=[None]),
    ]
    response_status: Annotated[
        int | None, Field(description="The receiver's last response.", examples=[204])
    ]
    error: Annotated[str | None, Field(description="Why the last attempt failed.", examples=[None])]

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        pending = delivery.state == DeliveryState.WAITING
        unassigned = delivery.kind == WebhookEvent.AWARDS_CREATED and not delivery.message_id
        return cls.model_construct(
            id=str(delivery.id),
            event=delivery.kind,
            subject=None
            if delivery.kind.startswith(("member.", "webhook."))
            else str(delivery.subject_id),
            message_id=None if unassigned else deliveries.message_id(delivery),
            state=_NAMES[DeliveryState(delivery.state)],
            attempts=delivery.attempts,
            at=moment(delivery.at),
            attempted_at=moment(delivery.sent_at),
            next_attempt_at=moment(delivery.next_at) if pending else None,
            response_status=delivery.response_status,
            error=delivery.error or None,
        )


class DeliveryPage(OutputModel):
    """A page of deliveries, newest first."""

    items: Annotated[list[DeliveryOut], Field(description="The deliveries on this page.")]
    next: NextCursor


class Redelivered(OutputModel):
    """What is sent again."""

    deliveries: Annotated[
        int, Field(description="How many deliveries are sent again.", examples=[12])
    ]


def _columns(summary: EndpointSummary) -> dict[str, Any]:
    endpoint = summary.endpoint
    return {
        "id": str(endpoint.id),
        "host": endpoint.host,
        "events": endpoint.kinds,
        "enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.why_disabled or None,
        "failures": endpoint.failures,
        "pending": summary.waiting,
        "failed": summary.failed,
        "created_at": moment(endpoint.created_at),
        "previous_secret_until": moment(endpoint.previous_secret_until),
    }
