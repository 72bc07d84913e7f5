"""Webhooks: creating, reading and changing them, their deliveries, and sending again what failed (A-12)."""

from __future__ import annotations

from flask import current_app

from webapp.api.framework.operations import Call, Reply, operation
from webapp.domain.permissions import Scope
from webapp.domain.webhooks import endpoints, url_policy
from webapp.schemas.common import EmptyBody, number_of
from webapp.schemas.webhooks import (
    DELIVERY_STATES,
    DeliveryListParams,
    DeliveryOut,
    DeliveryPage,
    Redelivered,
    RedeliveriesIn,
    Rotation,
    WebhookChange,
    WebhookIn,
    WebhookOut,
    WebhookPage,
    WebhookWithSecret,
)

WEBHOOK = {"webhook_id": "$WEBHOOK"}
DELIVERY = WEBHOOK | {"delivery_id": "$DELIVERY"}


def _allowed() -> tuple[str, ...]:
    networks: tuple[str, ...] = current_app.config["LAUREL"].webhook_networks
    return networks


def _check_address(call: Call) -> None:
    if call.body.url is not None:
        url_policy.ensure_public(call.body.url.strip(), _allowed())


@operation(
    "GET",
    "/webhooks",
    Scope.WEBHOOKS_READ,
    tag="Webhooks",
    summary="List webhooks",
    responses={200: WebhookPage},
)
def list_webhooks(_call: Call) -> Reply:
    """Returns all webhooks, newest first. There are at most 20, so `next` is always null."""
    items = [WebhookOut.of(summary) for summary in endpoints.overview()]
    return Reply(200, WebhookPage.model_construct(items=items, next=None))


@operation(
    "POST",
    "/webhooks",
    Scope.WEBHOOKS_WRITE,
    tag="Webhooks",
    summary="Create a webhook",
    body=WebhookIn,
    responses={201: WebhookWithSecret},
    problems=(409,),
    prepare=_check_address,
    confidential=True,
    example={
        "body": {
            "url": "https://hooks.example.org/laurel",
            "events": ["awards.created", "award.revoked"],
        }
    },
)
def create_webhook(call: Call) -> Reply:
    """Creates a webhook and returns it with its signing secret, which you won't see again.

    Each request creates a new webhook, so send an `Idempotency-Key` if you might repeat it. Returns 422 if the URL
    isn't allowed, and 409 if there are already 20 webhooks.

    A key with this scope can have everything that happens sent anywhere. Only give it to systems that need it.
    """
    body: WebhookIn = call.body
    made = endpoints.create(body.url, body.events, _allowed(), call.actor)
    return Reply(201, WebhookWithSecret.with_(endpoints.summary(made.endpoint.id), made.secret))


@operation(
    "GET",
    "/webhooks/<webhook_id>",
    Scope.WEBHOOKS_READ,
    tag="Webhooks",
    summary="Get a webhook",
    responses={200: WebhookOut},
    problems=(404,),
    example={"path": WEBHOOK},
)
def read_webhook(_call: Call, webhook_id: str) -> Reply:
    """Returns a webhook, or 404 if it doesn't exist."""
    return Reply(200, _webhook(webhook_id))


@operation(
    "PATCH",
    "/webhooks/<webhook_id>",
    Scope.WEBHOOKS_WRITE,
    tag="Webhooks",
    summary="Change a webhook",
    body=WebhookChange,
    responses={200: WebhookOut},
    problems=(404,),
    prepare=_check_address,
    example={"path": WEBHOOK, "body": {"events": ["award.created"], "enabled": True}},
)
def change_webhook(call: Call, webhook_id: str) -> Reply:
    """Changes the fields you send: the URL, the events, or whether it's on. The secret stays the same.

    Sending the same request again changes nothing. Returns 404 if the webhook doesn't exist, and 422 if the URL isn't
    allowed.
    """
    body: WebhookChange = call.body
    number = number_of(webhook_id) or 0
    endpoints.change(number, body.url, body.events, _allowed(), call.actor)
    if body.enabled is not None:
        endpoints.switch(number, body.enabled, call.actor)
    return Reply(200, _webhook(webhook_id))


@operation(
    "DELETE",
    "/webhooks/<webhook_id>",
    Scope.WEBHOOKS_WRITE,
    tag="Webhooks",
    summary="Remove a webhook",
    responses={204: None},
    problems=(404,),
    example={"path": WEBHOOK},
)
def remove_webhook(call: Call, webhook_id: str) -> Reply:
    """Removes a webhook with its deliveries, including pending ones. Returns 404 if it doesn't exist."""
    endpoints.remove(number_of(webhook_id) or 0, call.actor)
    return Reply(204)


@operation(
    "POST",
    "/webhooks/<webhook_id>/rotation",
    Scope.WEBHOOKS_WRITE,
    tag="Webhooks",
    summary="Rotate a secret",
    body=Rotation,
    body_optional=True,
    responses={200: WebhookWithSecret},
    problems=(404, 409),
    confidential=True,
    example={"path": WEBHOOK},
)
def rotate_webhook(call: Call, webhook_id: str) -> Reply:
    """Replaces the signing secret and returns the new one, which you won't see again.

    For 24 hours messages are signed with both secrets, so that the receiver has time to switch. Returns 409 if the
    secret was already rotated in that time, because receivers that still use the one before would be cut off; send
    `drop_previous` to do it anyway. Returns 404 if the webhook doesn't exist.
    """
    drop = call.body.drop_previous if call.body else False
    number = number_of(webhook_id) or 0
    secret = endpoints.rotate(number, call.actor, drop_previous=drop).secret
    return Reply(200, WebhookWithSecret.with_(endpoints.summary(number), secret))


@operation(
    "POST",
    "/webhooks/<webhook_id>/tests",
    Scope.WEBHOOKS_WRITE,
    tag="Webhooks",
    summary="Send a test",
    body=EmptyBody,
    body_optional=True,
    responses={201: DeliveryOut},
    problems=(404, 409),
    example={
        "path": WEBHOOK,
        "response": {"event": "webhook.test", "subject": None, "state": "pending", "attempts": 0},
    },
)
def send_test(call: Call, webhook_id: str) -> Reply:
    """Sends a message of type `webhook.test`. Get the delivery to see whether it arrived.

    Returns 404 if the webhook doesn't exist, and 409 if it's off.
    """
    delivery = endpoints.test(number_of(webhook_id) or 0, call.actor)
    return Reply(201, DeliveryOut.of(delivery))


@operation(
    "GET",
    "/webhooks/<webhook_id>/deliveries",
    Scope.WEBHOOKS_READ,
    tag="Webhooks",
    summary="List deliveries",
    query=DeliveryListParams,
    responses={200: DeliveryPage},
    problems=(404,),
    example={"path": WEBHOOK, "query": {"state": "failed"}},
)
def list_deliveries(call: Call, webhook_id: str) -> Reply:
    """Returns what was sent to a webhook and is to be sent, newest first. Deliveries are kept for two weeks.

    Returns 404 if the webhook doesn't exist.
    """
    params: DeliveryListParams = call.query
    endpoint = endpoints.get(number_of(webhook_id) or 0)
    state = DELIVERY_STATES[params.state] if params.state else None
    older = params.after[0] if params.after else None
    page = endpoints.log(endpoint.id, older, params.limit, state=state)
    items = [DeliveryOut.of(delivery) for delivery in page.items]
    following = params.cursor_to(page.after)
    return Reply(200, DeliveryPage.model_construct(items=items, next=following))


@operation(
    "GET",
    "/webhooks/<webhook_id>/deliveries/<delivery_id>",
    Scope.WEBHOOKS_READ,
    tag="Webhooks",
    summary="Get a delivery",
    responses={200: DeliveryOut},
    problems=(404,),
    example={"path": DELIVERY},
)
def read_delivery(_call: Call, webhook_id: str, delivery_id: str) -> Reply:
    """Returns a delivery, or 404 if the webhook has no such delivery."""
    return Reply(200, _delivery(webhook_id, delivery_id))


@operation(
    "POST",
    "/webhooks/<webhook_id>/deliveries/<delivery_id>/redelivery",
    Scope.WEBHOOKS_WRITE,
    tag="Webhooks",
    summary="Send a delivery again",
    body=EmptyBody,
    body_optional=True,
    responses={200: DeliveryOut},
    problems=(404, 409),
    example={"path": DELIVERY},
)
def redeliver(call: Call, webhook_id: str, delivery_id: str) -> Reply:
    """Sends a delivery again now, with the same `webhook-id`; if it's one of several awards in a message, all of them.

    Returns 404 if the webhook has no such delivery, and 409 if it's off.
    """
    endpoints.redeliver(number_of(webhook_id) or 0, number_of(delivery_id) or 0, call.actor)
    return Reply(200, _delivery(webhook_id, delivery_id))


@operation(
    "POST",
    "/webhooks/<webhook_id>/redeliveries",
    Scope.WEBHOOKS_WRITE,
    tag="Webhooks",
    summary="Send everything again that failed",
    body=RedeliveriesIn,
    responses={200: Redelivered},
    problems=(404, 409),
    example={"path": WEBHOOK, "body": {"since": "2026-05-04T00:00:00Z"}},
)
def redeliver_failed(call: Call, webhook_id: str) -> Reply:
    """Sends everything again whose last attempt failed since this time, with the same `webhook-id`s.

    This includes deliveries that would be attempted again later. Messages that arrived aren't repeated. Returns 404
    if the webhook doesn't exist, and 409 if it's off.
    """
    number = endpoints.redeliver_failed(number_of(webhook_id) or 0, call.body.since, call.actor)
    return Reply(200, Redelivered.model_construct(deliveries=number))


def _webhook(webhook_id: str) -> WebhookOut:
    return WebhookOut.of(endpoints.summary(number_of(webhook_id) or 0))


def _delivery(webhook_id: str, delivery_id: str) -> DeliveryOut:
    found = endpoints.get_delivery(number_of(webhook_id) or 0, number_of(delivery_id) or 0)
    return DeliveryOut.of(found)
