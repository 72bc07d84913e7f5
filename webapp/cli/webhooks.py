"""`laurel webhooks`: webhooks to other systems (A-12)."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from webapp.cli.output import json_option, minute, show, table
from webapp.cli.settings import command_app, current_actor, load_settings
from webapp.domain.webhooks import endpoints, url_policy
from webapp.domain.webhooks.endpoints import EndpointSummary
from webapp.models import WebhookEvent
from webapp.schemas.webhooks import DeliveryOut, Redelivered, WebhookOut, WebhookWithSecret
from webapp.transaction import transaction

webhook_id = click.argument("webhook_id", metavar="ID", type=click.IntRange(1))


@click.group("webhooks")
def group() -> None:
    """Manage webhooks, which notify other systems of events."""


@group.command("add")
@click.argument("url")
@click.option(
    "--event",
    "events",
    required=True,
    multiple=True,
    type=click.Choice([str(kind) for kind in WebhookEvent]),
    help="An event to send. Repeat the option for more events.",
)
@json_option
def add(url: str, events: tuple[str, ...], as_json: bool) -> None:
    """Create a webhook to URL and print its signing secret.

    Store the secret right away: you won't see it again.
    """
    allowed = load_settings().webhook_networks
    url_policy.ensure_public(url.strip(), allowed)
    with command_app(), transaction():
        made = endpoints.create(url, events, allowed, current_actor())
        _show_secret(made.endpoint.id, made.secret, as_json=as_json)


@group.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all webhooks, newest first.

    Only the host of each URL is shown, because the rest may be secret.
    """
    with command_app():
        found = endpoints.overview()
        header = ("ID", "Status", "Pending", "Failed", "Host", "Events")
        rows = [
            (
                str(row.endpoint.id),
                _status(row),
                str(row.waiting),
                str(row.failed),
                row.endpoint.host,
                " ".join(row.endpoint.kinds),
            )
            for row in found
        ]
        data = [WebhookOut.of(row).model_dump() for row in found]
        show(table(header, rows), data, as_json=as_json)


@group.command("test")
@webhook_id
@json_option
def test(webhook_id: int, as_json: bool) -> None:
    """Send a test message to the webhook with this ID.

    It's sent in the background; the webhook's page shows the result.
    """
    with command_app():
        with transaction():
            delivery = DeliveryOut.of(endpoints.test(webhook_id, current_actor()))
        show(f"Test sent as delivery {delivery.id}.", delivery.model_dump(), as_json=as_json)


@group.command("redeliver")
@webhook_id
@click.option("--delivery", type=click.IntRange(1), help="Send only the delivery with this ID.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Send everything whose last attempt failed since this time (UTC).",
)
@json_option
def redeliver(webhook_id: int, delivery: int | None, since: datetime | None, as_json: bool) -> None:
    """Send again what the webhook with this ID didn't receive.

    Messages keep their IDs, so that receivers can recognize repeated ones.
    """
    if (delivery is None) == (since is None):
        raise click.UsageError("Give either --delivery or --since.")
    actor = current_actor()
    with command_app():
        with transaction():
            if since is not None:
                at = since.replace(tzinfo=UTC)
                number = endpoints.redeliver_failed(webhook_id, at, actor)
            else:
                number = endpoints.redeliver(webhook_id, delivery or 0, actor)
        data = Redelivered.model_construct(deliveries=number).model_dump()
        text = f"{number:,} {'delivery is' if number == 1 else 'deliveries are'} sent again."
        show(text, data, as_json=as_json)


@group.command("rotate")
@webhook_id
@click.option(
    "--drop-previous",
    is_flag=True,
    help="Rotate even if the secret was already rotated in the last 24 hours. Receivers that still use "
    "the secret before that are cut off.",
)
@json_option
def rotate(webhook_id: int, drop_previous: bool, as_json: bool) -> None:
    """Replace the signing secret of the webhook with this ID and print the new one.

    For 24 hours messages are signed with both secrets.
    """
    with command_app(), transaction():
        made = endpoints.rotate(webhook_id, current_actor(), drop_previous=drop_previous)
        _show_secret(webhook_id, made.secret, as_json=as_json)


@group.command("remove")
@webhook_id
@json_option
def remove(webhook_id: int, as_json: bool) -> None:
    """Remove the webhook with this ID and its deliveries, including pending ones."""
    with command_app():
        with transaction():
            host = endpoints.remove(webhook_id, current_actor())
        show(f"Webhook to {host} removed.", {"id": str(webhook_id)}, as_json=as_json)


def _show_secret(endpoint_id: int, secret: str, *, as_json: bool) -> None:
    row = endpoints.summary(endpoint_id)
    show(secret, WebhookWithSecret.with_(row, secret).model_dump(), as_json=as_json)


def _status(row: EndpointSummary) -> str:
    if row.endpoint.disabled_at:
        return f"Off since {minute(row.endpoint.disabled_at)} UTC"
    return "Failing" if row.endpoint.failures else "On"
