"""The pages of webhooks: create, change, test, log and `Resend` (A-6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.factories import NOW, Make
from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.domain.webhooks import endpoints, outbox
from webapp.models import AuditEvent, Delivery, DeliveryState, Endpoint, Role, WebhookEvent
from webapp.transaction import transaction

NEW = {"url": "https://hooks.example.org/laurel", "kinds": ["award.created", "batch.finished"]}


def made(app: Flask, browser: ReviewingClient) -> int:
    assert browser.post("/settings/webhooks", NEW).status_code == 201
    with app.app_context():
        return max(db.session.scalars(select(Endpoint.id)))


def of(app: Flask, number: int) -> Any:
    with app.app_context():
        found = db.session.get(Endpoint, number)
        if found is not None:
            db.session.refresh(found)
            found.kinds  # noqa: B018 loaded before it is detached
            db.session.expunge_all()
        return found


def url_of(app: Flask, number: int) -> str | None:
    with app.app_context():
        return endpoints.url_of(db.session.get_one(Endpoint, number))


def test_a_webhook_is_made_and_its_secret_shown_once(app: Flask, as_dev: ReviewingClient) -> None:
    """A-6: and nowhere else; a new secret is also shown once."""
    answer = as_dev.post("/settings/webhooks", NEW)
    secret = answer.page.select_one("#secret")["value"]
    assert answer.status_code == 201
    assert secret.startswith("whsec_")
    listed = as_dev.get("/settings/webhooks")
    assert "https://hooks.example.org/… award.created batch.finished On" in listed.words()
    page = as_dev.get("/settings/webhooks/1")
    assert secret not in page.text + listed.text
    assert "No deliveries yet" in page.words("#log")
    asked = as_dev.get("/settings/webhooks/1/secret")
    assert "signed with both" in asked.words("#rotation")
    rotated = as_dev.post("/settings/webhooks/1/secret")
    other = rotated.page.select_one("#secret")["value"]
    assert rotated.status_code == 201
    assert other != secret
    with app.app_context():
        row = db.session.get_one(Endpoint, 1)
        assert secret not in row.secret + (row.previous_secret or "")
        acts = db.session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert acts == ["endpoint.made", "endpoint.rotated"]


def test_invalid_webhooks_are_rejected(app: Flask, as_admin: ReviewingClient) -> None:
    """A113: the error is next to the field, and the input is kept."""
    for changed, field, sentence in (
        ({"url": "http://example.org/"}, "url", "The URL must start with https://."),
        ({"url": "https://127.0.0.1/"}, "url", "This address isn't public."),
        ({"url": ""}, "url", "The URL must start with https://."),
        ({"url": "https://a\x00b/"}, "url", "printable ASCII"),
        ({"kinds": []}, "kinds", "Choose at least one event."),
        ({"kinds": ["nothing"]}, "kinds", "There is no event"),
    ):
        answer = as_admin.post("/settings/webhooks", {**NEW, **changed})
        assert answer.status_code == 422
        assert sentence in answer.words(f"#{field}-error"), changed
    number = made(app, as_admin)
    answer = as_admin.post(f"/settings/webhooks/{number}", {**NEW, "url": "ftp://x"})
    assert answer.status_code == 422
    assert url_of(app, number) == NEW["url"]


PRIVATE = (
    "localhost",
    "LOCALHOST.",
    "app.localhost",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "0",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:a00:1]",
    "10.0.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "[fe80::1]",
    "[fd00::1]",
    "[64:ff9b::7f00:1]",
    "100.64.0.1",
    "0.0.0.0",
)


def test_a_private_address_is_refused_in_every_spelling(
    app: Flask, as_admin: ReviewingClient
) -> None:
    """S9: when creating and when changing; names are resolved."""
    number = made(app, as_admin)
    for host in PRIVATE:
        for path in ("/settings/webhooks", f"/settings/webhooks/{number}"):
            answer = as_admin.post(path, {**NEW, "url": f"https://{host}/hook"})
            assert answer.status_code == 422, host
            assert "This address isn't public." in answer.words("#url-error"), host
    assert url_of(app, number) == NEW["url"]


def test_loopback_is_accepted_if_a_setting_allows_it(app: Flask, as_admin: ReviewingClient) -> None:
    """S9: for development, LAUREL_WEBHOOK_NETWORKS."""
    before = app.config["LAUREL"]
    app.config["LAUREL"] = replace(before, webhook_networks=("127.0.0.0/8", "::1/128"))
    try:
        local = {**NEW, "url": "http://localhost:9000/"}
        assert as_admin.post("/settings/webhooks", local).status_code == 201
        inside = {**NEW, "url": "https://10.0.0.1/"}
        assert as_admin.post("/settings/webhooks", inside).status_code == 422
    finally:
        app.config["LAUREL"] = before


def test_an_address_is_encrypted_and_entered_again_if_its_key_is_gone(
    app: Flask, as_admin: ReviewingClient
) -> None:
    """S9: the database has only the host; the page has the URL for people who can change it."""
    number = made(app, as_admin)
    path = f"/settings/webhooks/{number}"
    with app.app_context():
        (row,) = db.session.execute(select(Endpoint.__table__))
    assert "/laurel" not in str(row)
    assert row.host == "https://hooks.example.org/…"
    assert as_admin.get(path).page.select_one("#url")["value"] == NEW["url"]
    with app.app_context(), transaction():
        db.session.execute(update(Endpoint).values(encrypted_url="lost.key"))
    page = as_admin.get(path)
    assert page.page.select_one("#url")["value"] == ""
    assert "can't be decrypted" in page.words("#url-error")
    assert as_admin.get("/settings/webhooks").status_code == 200
    assert as_admin.get(f"{path}/removal").status_code == 200
    as_admin.post(path, NEW)
    assert url_of(app, number) == NEW["url"]


@pytest.mark.databases("sqlite", "postgresql")
def test_a_webhook_is_changed_switched_and_removed(app: Flask, as_admin: ReviewingClient) -> None:
    """A-6: each is in the audit log; repeating it is not."""
    number = made(app, as_admin)
    path = f"/settings/webhooks/{number}"
    for _ in range(2):
        as_admin.post(path, {"url": "https://other.example.org/", "kinds": ["award.revoked"]})
    assert (url_of(app, number), of(app, number).kinds) == (
        "https://other.example.org/",
        ["award.revoked"],
    )
    for on, word in (("no", "off"), ("no", "off"), ("yes", "on")):
        done = as_admin.post(f"{path}/switch", {"on": on}, follow_redirects=True)
        assert f"Webhook turned {word}." in done.words("main")
    assert "Its deliveries will be deleted" in as_admin.get(f"{path}/removal").words("#removal")
    gone = as_admin.post(f"{path}/removal", follow_redirects=True)
    assert "Webhook to https://other.example.org/ removed." in gone.words("main")
    assert as_admin.get(path).status_code == 404
    with app.app_context():
        acts = db.session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert acts == [
        "endpoint.made",
        "endpoint.changed",
        "endpoint.disabled",
        "endpoint.enabled",
        "endpoint.removed",
    ]
    record = as_admin.get("/audit-log").words("#audit-log")
    assert "removed the webhook to https://other.example.org/" in record


def test_the_audit_log_has_no_secret_of_a_url(
    app: Flask, as_admin: ReviewingClient, as_support: ReviewingClient
) -> None:
    """A-6, R-1: everyone reads the audit log, but a webhook's path or query is often its only protection."""
    number = made(app, as_admin)
    path = f"/settings/webhooks/{number}"
    as_admin.post(path, {**NEW, "url": "https://hooks.example.org/T0/s3cret?key=s3cret"})
    as_admin.post(f"{path}/switch", {"on": "no"})
    shown = as_support.get("/audit-log")
    assert "https://hooks.example.org/…" in shown.words("#audit-log")
    assert "s3cret" not in shown.text
    as_admin.post(f"{path}/removal")
    shown = as_support.get("/audit-log")
    assert "removed the webhook to https://hooks.example.org/…" in shown.words("#audit-log")
    assert "s3cret" not in shown.text
    with app.app_context():
        assert "s3cret" not in str(list(db.session.scalars(select(AuditEvent.detail))))


def test_a_log_is_asked_for_with_any_number(app: Flask, as_admin: ReviewingClient) -> None:
    number = made(app, as_admin)
    for odd in ("-" + "1" * 40, "9" * 40, "x", ""):
        page = as_admin.get(f"/settings/webhooks/{number}?older={odd}")
        assert page.status_code == 200
        assert ("That page doesn't exist" in page.words("#log")) is bool(odd), odd


@pytest.mark.databases("sqlite", "postgresql")
def test_the_log_and_redeliver(app: Flask, as_admin: ReviewingClient, make: Make) -> None:
    """A-6: newest first, paginated; failed ones can be sent again."""
    number = made(app, as_admin)
    with app.app_context():
        with transaction():
            outbox.emit(WebhookEvent.AWARD_CREATED, list(range(1, 31)), NOW)
        with transaction():
            db.session.execute(
                update(Delivery)
                .where(Delivery.subject_id == 30)
                .values(
                    state=DeliveryState.FAILED,
                    attempts=10,
                    response_status=500,
                    sent_at=NOW,
                    last_error="webhooks.status",
                )
            )
        failed = db.session.scalars(select(Delivery.id).where(Delivery.subject_id == 30)).one()
    page = as_admin.get(f"/settings/webhooks/{number}")
    assert "Failed 10 The receiver responded with 500." in page.words("#log")
    assert len(page.page.select("#log tbody tr")) == 25
    older = page.page.select_one("#log a[rel=next]")["href"]
    assert len(as_admin.get(str(older)).page.select("#log tbody tr")) == 5
    listed = as_admin.get("/settings/webhooks").words("#webhooks")
    assert "On 29 1 Edit" in listed
    path = f"/settings/webhooks/{number}/deliveries/{failed}/redelivery"
    done = as_admin.post(path, follow_redirects=True)
    assert "Event resent." in done.words("main")
    with app.app_context():
        row = db.session.get_one(Delivery, failed)
        assert (row.state, row.attempts) == (DeliveryState.WAITING, 0)
    assert as_admin.post(path.replace(f"/{failed}/", "/99999/")).status_code == 404
    tried = as_admin.post(f"/settings/webhooks/{number}/tests", follow_redirects=True)
    assert "Test sent." in tried.words("main")
    assert "webhook.test" in tried.words("#log")
    as_admin.post(f"/settings/webhooks/{number}/switch", {"on": "no"})
    refused = as_admin.post(path, follow_redirects=True)
    assert "This webhook is off. Turn it on first." in refused.words("main")


def test_the_number_of_webhooks_is_limited(app: Flask, as_admin: ReviewingClient) -> None:
    """Each adds a row to the outbox for every event."""
    for _ in range(20):
        made(app, as_admin)
    answer = as_admin.post("/settings/webhooks", NEW)
    assert answer.status_code == 422
    assert "The limit is 20 webhooks." in answer.words("main")


def test_rotating_again_within_a_day_warns(as_dev: ReviewingClient) -> None:
    """A-12: receivers that still use the secret before would be cut off."""
    as_dev.post("/settings/webhooks", NEW)
    first = as_dev.get("/settings/webhooks/1/secret")
    as_dev.post("/settings/webhooks/1/secret")
    unseen = as_dev.post("/settings/webhooks/1/secret")
    rotated = as_dev.post("/settings/webhooks/1/secret", {"drop_previous": "yes"})

    assert "cut off" not in first.words("#rotation")
    assert unseen.status_code == 409
    assert "cut off" in unseen.words("#rotation")
    assert rotated.status_code == 201


def test_a_new_webhook_doesnt_get_members_unasked(client: ReviewingClient, make: Make) -> None:
    """A-8: events of awards and batches are ticked; the others can be."""
    client.sign_in(make.staff(Role.DEV))
    boxes = client.get("/settings/webhooks/new").page.select("input[name=kinds]")
    assert {str(box["value"]) for box in boxes} == set(WebhookEvent)
    ticked = {str(box["value"]).partition(".")[0] for box in boxes if box.has_attr("checked")}
    assert ticked == {"award", "batch"}
