"""The outbox: written in the same transaction, for every way of awarding and revoking, if an endpoint listens (A-6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.counting import statements
from tests.domain.batches.test_processing import now, run
from tests.factories import Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.awards import group as group_awards
from webapp.domain.awards import manual
from webapp.domain.batches import processing, runs
from webapp.domain.errors import DomainError
from webapp.domain.webhooks import deliveries, endpoints
from webapp.infrastructure import encryption
from webapp.models import Award, Delivery, Endpoint, Origin, WebhookEvent
from webapp.models.webhook import DEFAULT_EVENTS
from webapp.transaction import transaction

URL = "https://hooks.example.org/laurel"


def actor() -> Actor:
    return Actor(datetime.now(UTC), Origin.CONSOLE)


@pytest.fixture
def listen(app: Flask) -> Callable[..., int]:
    """Create an endpoint for the given event types, or for all of them; return its id."""

    def build(*kinds: WebhookEvent, url: str = URL) -> int:
        with transaction():
            return endpoints.create(url, kinds or DEFAULT_EVENTS, (), actor()).endpoint.id

    return build


def told(endpoint_id: int | None = None) -> Counter[str]:
    """The number of deliveries of each type."""
    db.session.rollback()
    found = select(Delivery.kind, func.count()).group_by(Delivery.kind)
    if endpoint_id is not None:
        found = found.where(Delivery.endpoint_id == endpoint_id)
    return Counter({str(kind): number for kind, number in db.session.execute(found)})


def test_without_subscribers_nothing_is_written(make: Make) -> None:
    """A-6: and a chunk takes no additional statement."""
    batch = make.batch(make.members(10), published=True)
    run(batch.id)
    assert told() == {}


def test_a_batch_emits_each_award_and_its_run(make: Make, listen: Callable[..., int]) -> None:
    """A-6: as many as awards were made; none for members who already had the quest."""
    all_of_it, awards_only = listen(), listen(WebhookEvent.AWARD_CREATED)
    members, quest = make.members(10), make.quest()
    make.award(members[0], quest.id)
    lost = make.member(status="left")
    batch = make.batch([*members, lost.id], quest, published=True)
    run(batch.id)

    assert told(all_of_it) == {"award.created": 9, "batch.published": 1, "batch.finished": 1}
    assert told(awards_only) == {"award.created": 9}
    of_batch = set(db.session.scalars(select(Award.id).where(Award.batch_id == batch.id)))
    subjects = select(Delivery.subject_id).where(Delivery.kind == "award.created")
    assert set(db.session.scalars(subjects)) == of_batch


def test_an_undo_emits_its_revocations(make: Make, listen: Callable[..., int]) -> None:  # A-6, B-38
    listen(WebhookEvent.AWARD_REVOKED, WebhookEvent.BATCH_FINISHED)
    batch = make.batch(make.members(10), published=True)
    run(batch.id)
    with transaction():
        runs.undo(batch.id, actor())
    run(batch.id, chunk=3)

    assert told() == {"award.revoked": 10, "batch.finished": 2}


def test_a_stopped_batch_and_one_without_members_are_finished(
    make: Make, listen: Callable[..., int]
) -> None:
    """A-6, B-24, B-40: also if repeated."""
    listen(WebhookEvent.BATCH_PUBLISHED, WebhookEvent.BATCH_FINISHED)
    batch = make.batch(make.members(3), published=True)
    with transaction():
        runs.stop(batch.id, actor())
    with transaction():
        runs.stop(batch.id, actor())
    assert told() == {"batch.published": 1, "batch.finished": 1}
    make.batch([], published=True)
    assert told() == {"batch.published": 2, "batch.finished": 2}


def test_manual_awards_are_emitted_once(make: Make, listen: Callable[..., int]) -> None:
    """A-6: awarded twice, revoked twice, restored; a group."""
    listen()
    staff, quest = make.staff(), make.quest()
    members = [make.member("anna"), make.member("boris")]
    by = Actor(datetime.now(UTC), Origin.CONSOLE, staff=staff)
    for _ in range(2):
        with transaction():
            award_id = manual.award(members[0].id, quest.id, "", by).award.id
    for _ in range(2):
        with transaction():
            manual.revoke(members[0].id, award_id, "", by)
    with transaction():
        manual.restore(members[0].id, award_id, by)
    assert told() == {"award.created": 1, "award.revoked": 1, "award.restored": 1}
    with transaction():
        group_awards.award_group("anna, boris", quest.id, "", by)
    assert told() == {"award.created": 2, "award.revoked": 1, "award.restored": 1}


def test_rolled_back_actions_emit_nothing(make: Make, listen: Callable[..., int]) -> None:
    """A-6: the outbox is in the same transaction."""
    listen()
    member, quest = make.member(), make.quest()
    with pytest.raises(RuntimeError), transaction():
        manual.award(member.id, quest.id, "", actor())
        raise RuntimeError
    assert told() == {}


def test_a_disabled_endpoint_gets_nothing(make: Make, listen: Callable[..., int]) -> None:
    """A-6: nothing of the time in which it is off."""
    endpoint = listen()
    with transaction():
        endpoints.switch(endpoint, False, actor())
    batch = make.batch(make.members(3), published=True)
    run(batch.id)
    assert told() == {}


@pytest.mark.parametrize("listeners", [0, 2])
def test_the_statements_of_a_chunk_do_not_grow(
    make: Make, listen: Callable[..., int], listeners: int
) -> None:
    """A-6, L-1: one additional statement if an endpoint listens, for any number of entries and endpoints."""
    for _ in range(listeners):
        listen()
    counted = []
    for number, prefix in ((5, "a"), (300, "b")):
        batch = make.batch(make.members(number, prefix), published=True)
        with transaction():
            claimed = processing.claim(batch.id, "one", 60, 500, now())
        with statements() as sent, transaction():
            processing.process_chunk(claimed, 500, now())
        counted.append(len(sent))
    assert counted[0] == counted[1]
    if not listeners:
        assert told() == {}
    else:
        assert told()["award.created"] == 305 * listeners


def test_the_outbox_has_no_member_data(make: Make, listen: Callable[..., int]) -> None:
    """D-5: so erasing a member has nothing to remove there."""
    listen()
    member = make.member("very-own-name", external_id="very-own-id", email="very@own.example")
    quest = make.quest()
    with transaction():
        manual.award(member.id, quest.id, "very own reason", actor())
    for row in db.session.execute(select(Delivery.__table__)):
        assert "very" not in str(row)


def test_an_endpoints_secret_is_encrypted(listen: Callable[..., int], app: Flask) -> None:
    """A-6: with a key from SECRET_KEY; after a change the former one still decrypts, until it is removed."""
    with transaction():
        made = endpoints.create(URL, [WebhookEvent.AWARD_CREATED], (), actor())
        sealed, secret = made.endpoint.secret, made.secret
    assert secret.removeprefix("whsec_") not in sealed
    assert encryption.decrypt(sealed) == secret
    before = app.config["SECRET_KEY"]
    try:
        app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"] = "another" * 9, [before]
        assert encryption.needs_reencryption(sealed)
        assert encryption.decrypt(sealed) == secret
        app.config["SECRET_KEY_FALLBACKS"] = []
        with pytest.raises(encryption.DecryptionError):
            encryption.decrypt(sealed)
        with pytest.raises(encryption.DecryptionError):
            encryption.decrypt(encryption.encrypt("x")[:-3] + "AAA")
    finally:
        app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"] = before, []


def test_an_endpoints_address_is_reencrypted_with_a_new_secret(
    listen: Callable[..., int], app: Flask
) -> None:
    """S9: the clock does it while the former secret is a fallback; then that one can be removed."""
    endpoint = db.session.get_one(Endpoint, listen())
    before = app.config["SECRET_KEY"]
    try:
        app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"] = "another" * 9, [before]
        assert endpoints.url_of(endpoint) == URL
        with transaction():
            deliveries.tidy(actor().at)
        app.config["SECRET_KEY_FALLBACKS"] = []
        db.session.refresh(endpoint)
        assert endpoints.url_of(endpoint) == URL
        app.config["SECRET_KEY"] = "a third one" * 9
        assert endpoints.url_of(endpoint) is None
    finally:
        app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"] = before, []


@pytest.mark.parametrize(
    ("url", "kinds", "field"),
    [
        ("https://127.0.0.1/", ["award.created"], "url"),
        ("http://example.org/", ["award.created"], "url"),
        (URL, [], "kinds"),
        (URL, ["award.exploded"], "kinds"),
    ],
)
def test_invalid_endpoints_are_rejected(app: Flask, url: str, kinds: list[str], field: str) -> None:
    with pytest.raises(DomainError) as refused, transaction():
        endpoints.create(url, kinds, (), actor())
    assert refused.value.field == field
    assert db.session.scalar(select(func.count()).select_from(Endpoint)) == 0


def test_a_removed_endpoint_takes_its_deliveries_along(
    make: Make, listen: Callable[..., int]
) -> None:
    endpoint = listen()
    run(make.batch(make.members(3), published=True).id)
    assert told().total() == 5
    with transaction():
        assert endpoints.remove(endpoint, actor()) == "https://hooks.example.org/…"
    assert told() == {}
