"""Webhooks with real processes: a worker killed between sending and recording leads to a repeated delivery (A118)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from tests.faults.conftest import QUICK
from tests.faults.console import Console, await_, horse, kill
from tests.jobs.receiver import Handler, Receiver
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import manual
from webapp.domain.webhooks import endpoints
from webapp.models import Delivery, DeliveryState, Origin, WebhookEvent
from webapp.transaction import transaction

LOOPBACK = "127.0.0.0/8"


def actor() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


@pytest.mark.slow
def test_a_delivery_whose_worker_was_killed_is_sent_again_under_the_same_id(
    consoles: Callable[..., Console],
) -> None:
    """A118: with a new timestamp; each message verifies."""
    console = consoles(**QUICK, LAUREL_WEBHOOK_NETWORKS=LOOPBACK)
    console.start_queue()
    worker = console.start_worker()
    console.start_clock()
    killed: list[int] = []

    def respond(handler: Handler) -> None:
        child = horse(worker)
        if not killed and child:
            killed.append(child)
            kill(child)
        handler.plain(200)

    receiver = Receiver(respond)
    try:
        with console.app.app_context(), transaction():
            made = endpoints.create(
                receiver.url, [WebhookEvent.AWARD_CREATED], (LOOPBACK,), actor()
            )
            secret = made.secret
        member, quest = console.make.member(), console.make.quest()
        with console.app.app_context(), transaction():
            manual.award(member.id, quest.id, "", actor())

        def delivered() -> Any:
            return console.read(
                lambda: db.session.scalar(
                    select(Delivery.id).where(Delivery.state == DeliveryState.DELIVERED)
                )
            )

        await_(delivered, 30, console.log)
    finally:
        receiver.close()
    assert killed
    (first, body), (second, again) = receiver.came[:2]
    assert first["webhook-id"] == second["webhook-id"]
    assert int(first["webhook-timestamp"]) < int(second["webhook-timestamp"])
    assert body == again
    assert Webhook(secret).verify(body, first) == Webhook(secret).verify(again, second)
