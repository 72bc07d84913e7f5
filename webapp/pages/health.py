"""Endpoints for machines: liveness, readiness and Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hmac import compare_digest

from flask import Flask, abort, current_app, request
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from webapp import package
from webapp.domain.operations import status as system_status
from webapp.infrastructure import job_queue
from webapp.pages.http import request_counts
from webapp.pages.http.authorization import public

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@public
def alive() -> ResponseReturnValue:
    """Liveness: the process responds. Does not query the database."""
    return "ok", 200, {"Content-Type": "text/plain"}


@public
def ready() -> ResponseReturnValue:
    """Readiness: 503 without the database. The queue isn't required, because jobs can wait."""
    database = system_status.ready()
    queue = job_queue.depth() is not None
    lines = [
        "ready" if database else "not ready",
        f"database: {'ok' if database else 'unreachable, or its schema is not the one this version needs'}",
        f"queue: {'ok' if queue else 'unreachable; published batches wait in the database'}",
    ]
    return "\n".join(lines) + "\n", 200 if database else 503, TEXT


@public
def metrics() -> ResponseReturnValue:
    """Prometheus metrics, for clients with LAUREL_METRICS_TOKEN. If it isn't set, responds 404."""
    token = current_app.config["LAUREL"].metrics_token
    if not token:
        abort(404)
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not compare_digest(shown.encode("utf-8", "surrogatepass"), token.encode()):
        return (
            "Send LAUREL_METRICS_TOKEN as a bearer token.\n",
            401,
            {**TEXT, "WWW-Authenticate": "Bearer"},
        )
    return generate_latest(REGISTRY), 200, {"Content-Type": CONTENT_TYPE_LATEST}


def init_app(app: Flask) -> None:
    app.add_url_rule("/healthz", "health", alive)
    app.add_url_rule("/readyz", "ready", ready)
    app.add_url_rule("/metrics", "metrics", metrics)
    request_counts.init_app(app)


class _StateCollector(Collector):
    """Collects the metrics at each scrape; needs an app context."""

    def collect(self) -> Iterator[Metric]:
        state, rings, now = system_status.state(), job_queue.depth(), datetime.now(UTC)
        figures = state.figures
        waits = (now - figures.waiting_since).total_seconds() if figures.waiting_since else 0.0
        info = _gauge("info", "Versions.", labels=["version", "revision"])
        info.add_metric([package.version(), state.revision], 1)
        yield info
        alive = _gauge(
            "processes",
            "Workers, delivery workers and schedulers seen in the last 20 seconds.",
            labels=["kind"],
        )
        alive.add_metric(["worker"], state.workers)
        alive.add_metric(["deliveries"], state.delivery_workers)
        alive.add_metric(["clock"], state.clocks)
        yield alive
        yield _gauge("queue_up", "1 if the queue can be reached.", rings is not None)
        if rings is not None:
            yield _gauge("queue_rings", "Jobs in the queue.", rings)
            age = _gauge(
                "queue_age_seconds", "Seconds the oldest job has been queued.", labels=["queue"]
            )
            for queue, seconds in job_queue.ages(now).items():
                age.add_metric([queue], seconds)
            yield age
        batches = _gauge("batches", "Batches by status.", labels=["status"])
        for status, number in figures.batches.items():
            batches.add_metric([status], number)
        yield batches
        yield _gauge("entries_undecided", "Pending entries of running batches.", figures.undecided)
        yield _gauge("batches_stalled", "Running batches that make no progress.", figures.stalled)
        yield _gauge(
            "waiting_seconds",
            "Seconds the oldest waiting batch has waited for a worker.",
            max(0.0, waits),
        )
        yield _gauge("deliveries_waiting", "Pending webhook events.", figures.deliveries)
        deliveries = system_status.delivery_figures(now)
        yield _gauge(
            "deliveries_waiting_seconds",
            "Seconds since the oldest pending webhook event.",
            deliveries.waiting_seconds,
        )
        yield _gauge(
            "deliveries_failed",
            "Webhook events of the last two weeks that were given up.",
            deliveries.failed,
        )
        yield _gauge("awards_active", "Active awards.", figures.awards)


def _gauge(
    name: str, description: str, value: float | None = None, labels: list[str] | None = None
) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"laurel_{name}", description, value=value, labels=labels)


REGISTRY = CollectorRegistry()
REGISTRY.register(_StateCollector())
request_counts.register(REGISTRY)
