"""Webhooks through the API (A-12): the same rules as on the page, and secrets that are shown once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.api.conftest import Caller
from tests.counting import statements
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.webhooks import endpoints, outbox
from webapp.models import (
    AuditEvent,
    Delivery,
    DeliveryState,
    Endpoint,
    IdempotentRequest,
    Origin,
    WebhookEvent,
)
from webapp.transaction import transaction

URL = "https://hooks.example.org/secret-path"


def create(lms: Caller, *events: str, **more: Any) -> dict[str, Any]:
    body = {"url": URL, "events": events or ["award.created"]}
    answer = lms.post("/webhooks", body, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json or {})


def test_a_webhook_is_created_with_a_secret_that_is_shown_once(lms: Caller, context: None) -> None:
    """A-12: neither it nor the path of the URL is returned later, nor written to the audit log."""
    made = create(lms, "awards.created", "award.revoked")

    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["award.revoked", "awards.created"]
    answers = [lms.get("/webhooks"), lms.get(f"/webhooks/{made['id']}")]
    audited = [str(vars(event)) for event in db.session.scalars(select(AuditEvent))]
    for text in [*(answer.text for answer in answers), *audited]:
        assert made["secret"] not in text
        assert "secret-path" not in text
    assert answers[0].json["items"] == [answers[1].json]  # type: ignore[index]
    assert answers[1].json == {name: made[name] for name in made if name != "secret"}


def test_a_repeated_creation_returns_the_secret_again(lms: Caller, context: None) -> None:
    """A-4, A-12: the stored response is encrypted."""
    headers = {"Idempotency-Key": "1"}
    made = create(lms, headers=headers)

    assert create(lms, headers=headers) == made
    (stored,) = db.session.scalars(select(IdempotentRequest))
    assert stored.body
    assert made["secret"] not in stored.body


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "http://hooks.example.org/", "events": ["award.created"]}, "#/url"),
        ({"url": "https://127.0.0.1/", "events": ["award.created"]}, "#/url"),
        ({"url": "https://localhost/", "events": ["award.created"]}, "#/url"),
        ({"url": URL, "events": ["award.made"]}, "#/events"),
        ({"url": URL, "events": []}, "#/events"),
        ({"url": URL, "events": ["award.created", "awards.created"]}, "#/events"),
    ],
)
def test_invalid_webhooks_are_rejected(lms: Caller, body: Any, pointer: str) -> None:
    answer = lms.post("/webhooks", body)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]  # type: ignore[index]


def test_there_are_at_most_twenty(lms: Caller) -> None:
    for _ in range(20):
        create(lms)
    assert lms.post("/webhooks", {"url": URL, "events": ["award.created"]}).status_code == 409


def test_the_fields_that_are_sent_are_changed(lms: Caller, context: None) -> None:
    made = create(lms)
    path = f"/webhooks/{made['id']}"
    moved = lms.ask("PATCH", path, {"url": "https://other.example.org/x"}).json
    off = lms.ask("PATCH", path, {"enabled": False}).json
    on = lms.ask("PATCH", path, {"events": ["batch.finished"], "enabled": True}).json

    assert moved
    assert off
    assert on
    assert (moved["host"], moved["events"]) == ("https://other.example.org/…", ["award.created"])
    assert (off["host"], off["enabled"]) == (moved["host"], False)
    assert (on["events"], on["enabled"]) == (["batch.finished"], True)
    assert lms.ask("PATCH", path, {"url": "https://10.0.0.1/"}).status_code == 422
    written = select(AuditEvent.verb).where(AuditEvent.verb.like("endpoint.%"))
    verbs = list(db.session.scalars(written.order_by(AuditEvent.id)))
    assert verbs == [
        *("endpoint.made", "endpoint.changed", "endpoint.disabled"),
        *("endpoint.changed", "endpoint.enabled"),
    ]


def test_a_second_rotation_within_a_day_must_be_confirmed(lms: Caller) -> None:
    """Receivers that still use the first secret would be cut off."""
    made = create(lms)
    path = f"/webhooks/{made['id']}/rotation"
    first = lms.post(path)
    refused = lms.post(path)
    second = lms.post(path, {"drop_previous": True})

    assert [answer.status_code for answer in (first, refused, second)] == [200, 409, 200]
    assert "cut off" in refused.json["detail"]  # type: ignore[index]
    secrets = {made["secret"], first.json["secret"], second.json["secret"]}  # type: ignore[index]
    assert len(secrets) == 3


def test_a_test_can_be_followed(lms: Caller) -> None:
    made = create(lms)
    sent = lms.post(f"/webhooks/{made['id']}/tests")

    assert sent.status_code == 201
    assert sent.json
    assert (sent.json["event"], sent.json["state"]) == ("webhook.test", "pending")
    path = f"/webhooks/{made['id']}/deliveries/{sent.json['id']}"
    assert lms.get(path).json == sent.json
    lms.ask("PATCH", f"/webhooks/{made['id']}", {"enabled": False})
    assert lms.post(f"/webhooks/{made['id']}/tests").status_code == 409


@pytest.fixture
def log(lms: Caller, context: None) -> tuple[str, list[int]]:
    """A webhook with five deliveries, of which the second and the fourth failed; their IDs."""
    made = create(lms)
    with transaction():
        outbox.emit(WebhookEvent.AWARD_CREATED, [1, 2, 3, 4, 5], datetime.now(UTC))
    ids = list(db.session.scalars(select(Delivery.id).order_by(Delivery.id)))
    with transaction():
        db.session.execute(
            update(Delivery)
            .where(Delivery.id.in_([ids[1], ids[3]]))
            .values(state=DeliveryState.FAILED, attempts=10, sent_at=datetime.now(UTC))
        )
        db.session.execute(
            update(Delivery)
            .where(Delivery.id == ids[1])
            .values(sent_at=datetime.now(UTC) - timedelta(days=2))
        )
    return str(made["id"]), ids


def test_deliveries_are_paged_and_filtered(lms: Caller, log: tuple[str, list[int]]) -> None:
    webhook, ids = log
    found, path = [], f"/webhooks/{webhook}/deliveries?limit=2"
    counts = set()
    while path:
        with statements() as sent:
            page = lms.get(path).json
        counts.add(len(sent))
        assert page
        found += [int(item["id"]) for item in page["items"]]
        following = page["next"]
        path = following and f"/webhooks/{webhook}/deliveries?limit=2&cursor={following}"
    failed = lms.get(f"/webhooks/{webhook}/deliveries?state=failed").json

    assert found == ids[::-1]
    assert len(counts) == 1
    assert failed
    assert [int(item["id"]) for item in failed["items"]] == [ids[3], ids[1]]
    assert lms.get("/webhooks/99/deliveries").status_code == 404


def test_what_failed_is_sent_again(lms: Caller, log: tuple[str, list[int]]) -> None:
    """A-12: one, or everything since a time."""
    webhook, ids = log
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    answer = lms.post(f"/webhooks/{webhook}/redeliveries", {"since": since})
    assert answer.json == {"deliveries": 1}
    one = lms.post(f"/webhooks/{webhook}/deliveries/{ids[1]}/redelivery").json
    assert one
    assert (one["state"], one["attempts"]) == ("pending", 0)
    assert lms.get(f"/webhooks/{webhook}").json["failed"] == 0  # type: ignore[index]
    other = create(lms)
    foreign = lms.post(f"/webhooks/{other['id']}/deliveries/{ids[0]}/redelivery")
    assert foreign.status_code == 404


def test_a_removed_webhook_is_gone(lms: Caller) -> None:
    made = create(lms)

    assert lms.delete(f"/webhooks/{made['id']}").status_code == 204
    assert lms.get(f"/webhooks/{made['id']}").status_code == 404
    assert lms.delete(f"/webhooks/{made['id']}").status_code == 404


def test_revoking_a_key_turns_off_the_webhooks_whose_url_it_set(lms: Caller, context: None) -> None:
    """A-12: also those that someone else has created."""
    created = int(create(lms)["id"])
    actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
    with transaction():
        moved, kept = (
            endpoints.create(URL, ["award.created"], (), actor).endpoint.id for _ in range(2)
        )
    assert lms.ask("PATCH", f"/webhooks/{moved}", {"url": f"{URL}/2"}).status_code == 200
    assert lms.ask("PATCH", f"/webhooks/{kept}", {"events": ["award.revoked"]}).status_code == 200
    with transaction():
        assert [one.id for one in endpoints.set_by_key(lms.key_id)] == [created, moved]
        api_keys.revoke(lms.key_id, actor)
        assert endpoints.set_by_key(lms.key_id) == []
    rows = db.session.execute(select(Endpoint.id, Endpoint.disabled_reason))
    assert dict(rows.all()) == {
        created: "webhooks.key_revoked", moved: "webhooks.key_revoked", kept: "",
    }  # fmt: skip


def test_webhooks_have_scopes_of_their_own(app: Flask, key_for: Callable[..., Caller]) -> None:
    """A-12: reading doesn't include changing."""
    reader, other = key_for("Monitor", "webhooks:read"), key_for("LMS", "awards:write")

    assert reader.get("/webhooks").status_code == 200
    assert reader.post("/webhooks", {"url": URL, "events": ["award.created"]}).status_code == 403
    assert other.get("/webhooks").status_code == 403
