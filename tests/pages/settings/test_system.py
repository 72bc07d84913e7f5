"""The `System` page and endpoints for machines: health, readiness, metrics, request ids, logs."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from tests.conftest import settings_for
from tests.counting import statements
from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp import create_app, package
from webapp.adapters.contract import Check, ConnectionProblem
from webapp.cli.database import upgrade
from webapp.config import Settings
from webapp.database import db
from webapp.database.version import newest_revision
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.connections import settings as connections
from webapp.domain.connections.settings import ConnectionFields
from webapp.domain.operations import heartbeats
from webapp.domain.operations import status as system_status
from webapp.domain.operations.heartbeats import ThisProcess
from webapp.domain.permissions import Scope
from webapp.domain.webhooks import endpoints
from webapp.infrastructure import log_format
from webapp.models import (
    Batch,
    BatchRange,
    Delivery,
    DeliveryState,
    Endpoint,
    Origin,
    Process,
    Role,
    WebhookEvent,
)
from webapp.transaction import transaction

TOKEN = "a-token-of-twenty-and-more"


def beat(app: Flask, kind: str, pid: int, seconds_ago: float = 0) -> None:
    """Write a heartbeat of a process, some seconds ago."""
    with app.app_context():
        with transaction():
            heartbeats.heartbeat(ThisProcess(f"{kind}-{pid}", kind, "earth", pid, "0.1.0"))
        if seconds_ago:
            then = datetime.now(UTC) - timedelta(seconds=seconds_ago)
            with transaction():
                db.session.execute(update(Process).where(Process.pid == pid).values(seen_at=then))


@pytest.fixture
def seen(app: Flask, request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """The log lines that our processes would have written, in JSON."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(log_format.Json())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)


@contextmanager
def made(settings: Settings) -> Iterator[Flask]:
    """An app with other settings, on the same database."""
    app = create_app(settings)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.mark.databases("sqlite", "postgresql")
def test_live_and_silent_processes_are_shown(as_admin: ReviewingClient, app: Flask) -> None:
    """Workers and clocks by their heartbeats, measured with the database's clock."""
    page = as_admin.get("/settings/system")
    assert "No worker is running." in page.words("main")
    assert "The scheduler isn't running." in page.words("main")
    beat(app, "worker", 11)
    beat(app, "worker", 12, seconds_ago=60)
    beat(app, "clock", 13)
    beat(app, "deliveries", 15)
    beat(app, "worker", 14, seconds_ago=3700)
    page = as_admin.get("/settings/system")
    assert "is running." not in page.words("main")
    assert "isn't running" not in page.words("main")
    rows = [" ".join(row.get_text(" ").split()) for row in page.page.select("tbody tr")]
    assert [row.split("earth")[0].strip() for row in rows] == [
        "Worker Running",
        "Worker Not responding",
        "Delivery worker Running",
        "Scheduler Running",
    ]
    assert as_admin.htmx("/settings/system").words("#state") in page.words("main")


def test_webhooks_that_no_one_sends_are_reported(as_admin: ReviewingClient, app: Flask) -> None:
    """A-13: a delivery worker is missed only if there is something to send."""
    missing = "No delivery worker is running."
    assert missing not in as_admin.get("/settings/system").words("main")
    with app.app_context():
        with transaction():
            kinds, actor = [WebhookEvent.AWARD_CREATED], Actor(datetime.now(UTC), Origin.CONSOLE)
            hook = endpoints.create("https://hooks.example.org/", kinds, (), actor).endpoint.id
        with transaction():
            endpoints.test(hook, actor)
    assert missing in as_admin.get("/settings/system").words("main")
    beat(app, "deliveries", 21)
    assert missing not in as_admin.get("/settings/system").words("main")


def failing_connection(app: Flask, name: str, number: int = 1) -> int:
    """A connection whose last calls failed."""
    problem = ConnectionProblem("connections.secret_unreadable")
    with app.app_context(), transaction():
        fields = ConnectionFields("wordpress", "https://club.example.org/", "laurel", "secret")
        actor = Actor(datetime.now(UTC), Origin.CONSOLE)
        made = connections.create(fields, Check(name, "laurel", "6.8"), (), actor)
        for _ in range(number):
            connections.record_problem(made, problem, actor.at)
        return made.id


def test_failing_connections_are_reported(as_admin: ReviewingClient, app: Flask) -> None:
    """CN-1: with the reason, until a call works or the connection is turned off."""
    failing_connection(app, "Quiet Club", 0)
    failing = failing_connection(app, "Kettle Club")
    note = "The connection to Kettle Club is failing: The stored password or key can't be decrypted"
    page = as_admin.get("/settings/system")
    assert note in page.words("#state")
    assert "Quiet Club" not in page.words("#state")
    assert page.page.select(f"#state a[href='/settings/connections/{failing}']")
    as_admin.post(f"/settings/connections/{failing}/switch", {"on": "no"})
    assert "Kettle Club" not in as_admin.get("/settings/system").words("#state")


def test_pending_and_stalled_work_is_listed(
    as_admin: ReviewingClient, app: Flask, make: Make
) -> None:
    """Batches that no worker took for a minute, or that were claimed repeatedly without progress, come first."""
    ids = make.members(3)
    batches = [make.batch(ids, name=name, published=True) for name in ("New", "Old", "Held", "Bad")]
    make.batch(ids, name="A draft")
    now = datetime.now(UTC)
    ages = [0, 2, 0, 0]  # minutes
    changes = [
        {"failed_claims": 0},
        {"failed_claims": 0},
        {"lease_owner": "x", "lease_until": now + timedelta(minutes=1)},
        {"failed_claims": 3, "last_error": "OperationalError"},
    ]
    with app.app_context(), transaction():
        for batch, age, change in zip(batches, ages, changes, strict=True):
            updated = now - timedelta(minutes=age)
            db.session.execute(update(Batch).where(Batch.id == batch.id).values(updated_at=updated))
            part = update(BatchRange).where(BatchRange.batch_id == batch.id)
            db.session.execute(part.values(**change))
    page = as_admin.get("/settings/system")
    rows = [" ".join(row.get_text(" ").split()) for row in page.page.select("tbody tr")]
    assert [row.split()[0] for row in rows] == ["Old", "Bad", "New", "Held"]
    assert ["Stalled" in row for row in rows] == [True, True, False, False]
    assert "Assigned" in rows[3]
    assert "OperationalError" in rows[1]
    figures = [dd.get_text() for dd in page.page.select("dl.figures dd")]
    assert figures[:3] == ["4", "12", "2"]


def test_the_page_takes_a_fixed_number_of_queries(
    as_admin: ReviewingClient, app: Flask, make: Make
) -> None:
    def sent() -> int:
        with app.app_context(), statements() as seen:
            assert as_admin.htmx("/settings/system").status_code == 200
        return len(seen)

    before = sent()
    ids = make.members(2)
    for number in range(60):
        make.batch(ids, name=f"Batch {number}", published=True)
        beat(app, "worker", 100 + number)
    for number in range(5):
        failing_connection(app, f"Club {number}")
    assert sent() == before <= 8
    assert (
        len(as_admin.get("/settings/system").page.select("section:nth-of-type(1) tbody tr")) == 50
    )


def test_only_admins_see_versions(
    as_admin: ReviewingClient, as_dev: ReviewingClient, app: Flask
) -> None:
    with app.app_context():
        name = "SQLite" if db.engine.dialect.name == "sqlite" else "PostgreSQL"
    words = as_admin.get("/settings/system").words("[aria-labelledby=versions-title]")
    assert re.search(rf"Laurel \d+\.\d+\.\d+ Python \d.* Database {name} \d+\.\d+", words)
    assert "Queue can't be reached" in words
    assert as_dev.get("/settings/system").status_code == 403


def test_ready_with_the_database_whether_or_not_the_queue_answers(client: ReviewingClient) -> None:
    """The queue only triggers work: without it, pages still work."""
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert (
        answer.text
        == "ready\ndatabase: ok\nqueue: unreachable; published batches wait in the database\n"
    )


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/x"])
def test_not_ready_without_the_database(tmp_path: Path, url: str) -> None:
    with made(settings_for(url, tmp_path)) as app:
        client = ReviewingClient(app, None, use_cookies=True)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.text.startswith("not ready\ndatabase: unreachable")
        assert client.get("/healthz").status_code == 200


def test_not_ready_before_the_database_is_brought_up_to_date(tmp_path: Path) -> None:
    settings = settings_for("", tmp_path)
    with made(settings) as app:
        client = ReviewingClient(app, None, use_cookies=True)
        assert client.get("/readyz").status_code == 503
        upgrade(settings)
        assert client.get("/readyz").status_code == 200


def test_metrics_are_behind_their_token(database: Settings, client: ReviewingClient) -> None:
    """Without LAUREL_METRICS_TOKEN the page doesn't exist; with it, requests need the token."""
    assert client.get("/metrics").status_code == 404
    with made(replace(database, metrics_token=TOKEN)) as app:
        other = ReviewingClient(app, None, use_cookies=True)
        for shown in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            answer = other.get("/metrics", headers=shown)
            assert answer.status_code == 401
            assert "laurel_" not in answer.text
        assert other.get(f"/metrics?token={TOKEN}").status_code == 401


def test_metrics_are_in_the_prometheus_format(database: Settings, app: Flask, make: Make) -> None:
    """The metrics equal the database's counts."""
    ids = make.members(3)
    make.batch(ids, name="Running", published=True)
    make.award(ids[0], make.quest().id)
    beat(app, "worker", 11)
    beat(app, "deliveries", 12)
    with made(replace(database, metrics_token=TOKEN)) as other:
        client = ReviewingClient(other, None, use_cookies=True)
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.text))
    assert {family.type for family in families} == {"gauge", "counter"}
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    assert values["laurel_batches", "Unpublished"] == 1
    assert values["laurel_batches", "Published"] == 0
    assert values["laurel_entries_undecided",] == 3
    assert values["laurel_awards_active",] == 1
    assert values["laurel_deliveries_waiting",] == 0
    assert values["laurel_deliveries_waiting_seconds",] == 0
    assert values["laurel_deliveries_failed",] == 0
    assert values["laurel_processes", "worker"] == 1
    assert values["laurel_processes", "deliveries"] == 1
    assert values["laurel_queue_up",] == 0
    assert values["laurel_waiting_seconds",] > 0
    assert values["laurel_info", newest_revision(), package.version()] == 1


def test_requests_are_counted_by_route_and_status(database: Settings, app: Flask) -> None:
    """By the route's pattern, so that neither paths nor methods that someone makes up add rows."""

    def counts(client: ReviewingClient) -> dict[tuple[str, ...], float]:
        text = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
        return {
            (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "laurel_http_requests_total"
        }

    with made(replace(database, metrics_token=TOKEN)) as other:
        client = ReviewingClient(other, None, use_cookies=True)
        before = counts(client)
        for path in ("/api/v1/members/anna", "/api/v1/members/boris", "/nowhere", "/elsewhere"):
            other.test_client().open(path)
        for method in ("BREW", "WHEN"):
            other.test_client().open("/nowhere", method=method)
        after = counts(client)
    risen = {key: number - before.get(key, 0) for key, number in after.items()}
    assert {key: number for key, number in risen.items() if number} == {
        ("GET", "/api/v1/members/<member:member_id>", "401"): 2,
        ("GET", "", "404"): 2,
        ("other", "", "404"): 2,
        ("GET", "/metrics", "200"): 1,
    }


def test_webhook_events_given_up_and_waiting_are_measured(
    database: Settings, app: Flask, make: Make
) -> None:
    now = datetime.now(UTC)
    with app.app_context():
        with transaction():
            endpoint = Endpoint(secret="", created_at=now)
            db.session.add(endpoint)
            db.session.flush()
            for number, state in enumerate(("waiting", "waiting", "failed", "delivered")):
                db.session.add(
                    Delivery(
                        endpoint_id=endpoint.id,
                        kind="award.created",
                        subject_id=number,
                        at=now - timedelta(seconds=100 * (number + 1)),
                        next_at=now,
                        state=DeliveryState(state),
                    )
                )
        figures = system_status.delivery_figures(now)
    assert figures == system_status.DeliveryFigures(200.0, 1)


def test_every_answer_has_an_id_of_its_own(client: ReviewingClient) -> None:
    ids = [
        client.get(path).headers["X-Request-ID"] for path in ("/healthz", "/sign-in", "/nowhere")
    ]
    assert len(set(ids)) == 3
    assert all(re.fullmatch("[0-9a-f]{12}", one) for one in ids)


def test_an_id_is_accepted_only_from_a_trusted_proxy(
    database: Settings, client: ReviewingClient
) -> None:
    """And only if it can't forge a log line."""
    given = {"X-Request-ID": "from-the-proxy.1"}
    assert client.get("/healthz", headers=given).headers["X-Request-ID"] != "from-the-proxy.1"
    with made(replace(database, proxies=1)) as app:
        behind = ReviewingClient(app, None, use_cookies=True)
        assert behind.get("/healthz", headers=given).headers["X-Request-ID"] == "from-the-proxy.1"
        for bad in ("a b", "x" * 65, "ключ", 'a"b'):
            headers = {"X-Request-ID": bad.encode().decode("latin-1")}
            assert re.fullmatch(
                "[0-9a-f]{12}", behind.get("/healthz", headers=headers).headers["X-Request-ID"]
            )


def test_an_internal_error_has_the_id_of_its_request(
    odd_client: ReviewingClient, seen: io.StringIO
) -> None:
    """S12: the reference that a person reports finds every log line of that request."""
    answer = odd_client.get("/odd/fault")
    assert answer.words("code") == answer.headers["X-Request-ID"]
    lines = [json.loads(line) for line in seen.getvalue().splitlines()]
    (fault,) = (line for line in lines if line["level"] == "ERROR")
    assert fault["request"] == answer.headers["X-Request-ID"]
    assert "secret detail" in fault["trace"]


def test_logs_for_machines_are_an_object_a_line(
    database: Settings, app: Flask, make: Make, seen: io.StringIO
) -> None:
    """I124, D-5, S11: the route's pattern instead of the path; a name can't break out of its string."""
    member = make.member("zoë", name="Zo\u2028ë")
    admin = make.staff(Role.ADMIN)
    with made(replace(database, logs="json")) as other:
        client = ReviewingClient(other, None, use_cookies=True).sign_in(admin)
        answer = client.get(f"/members/{member.id}?secret=1")
        logging.getLogger("webapp").warning("eve%s", "\nERROR root: all is lost\u2028\x1b[2K")
    lines = [json.loads(line) for line in seen.getvalue().split("\n") if line]
    request = lines[0]
    assert request["message"] == "GET /members/<int:member_id> 200"
    assert (request["method"], request["route"], request["status"]) == (
        "GET",
        "/members/<int:member_id>",
        200,
    )
    assert request["request"] == answer.headers["X-Request-ID"]
    assert request["ms"] > 0
    assert "secret" not in seen.getvalue()
    assert lines[1]["message"] == r"eve\nERROR root: all is lost\u2028\x1b[2K"
    assert "request" not in lines[1]
    assert len(seen.getvalue().splitlines()) == 2


def test_the_log_of_requests_names_the_api_key(
    database: Settings, app: Flask, seen: io.StringIO
) -> None:
    """I124: its name and ID, never the key itself; nothing for requests without one."""
    with app.app_context(), transaction():
        actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
        made_key = api_keys.create("LMS", [Scope.BADGES_READ], None, actor)
        text, key_id = made_key.text, made_key.key.id
    with made(replace(database, logs="json")) as other:
        for path in ("/api/v1/badges", "/api/v1/members"):  # the second lacks the scope
            other.test_client().get(path, headers={"Authorization": f"Bearer {text}"})
        other.test_client().get("/api/v1/badges")
    lines = [json.loads(line) for line in seen.getvalue().splitlines()]
    requests = [line for line in lines if "route" in line]
    assert [(line.get("api_key"), line.get("api_key_id")) for line in requests] == [
        ("LMS", key_id),
        ("LMS", key_id),
        (None, None),
    ]
    assert text not in seen.getvalue()


def test_logs_for_people_end_with_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    record = log_format.SafeLogRecord(
        "webapp.infrastructure.job_queue",
        logging.WARNING,
        "",
        0,
        "the %s is away",
        ("queue",),
        None,
    )
    assert (
        log_format.Text().format(record)
        == "WARNING webapp.infrastructure.job_queue: the queue is away"
    )
    token = log_format.at_work.set("4fd1c0ffee12")
    try:
        assert (
            log_format.Text().format(record)
            == "WARNING webapp.infrastructure.job_queue: the queue is away [4fd1c0ffee12]"
        )
    finally:
        log_format.at_work.reset(token)


def test_readiness_follows_the_structure(app: Flask) -> None:
    with app.app_context():
        assert system_status.ready()
