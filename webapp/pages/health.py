"""What machines ask: whether this process lives, whether it can serve, and the figures that Prometheus keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any

from flask import Flask, abort, current_app, request
from flask.typing import ResponseReturnValue

from webapp import package
from webapp.domain.operations import status as system_status
from webapp.domain.operations.status import State
from webapp.infrastructure import job_queue
from webapp.pages.access import public

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
# The text format of Prometheus, version 0.0.4.
METRICS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}

Value = tuple[dict[str, str], float]


@public
def alive() -> ResponseReturnValue:
    """Says that this process answers; asks nothing of the database."""
    return "ok", 200, {"Content-Type": "text/plain"}


@public
def ready() -> ResponseReturnValue:
    """Says whether pages can be served: 503 without the database. Without the queue they can, as work waits."""
    database = system_status.ready()
    queue = job_queue.depth() is not None
    told = [
        "ready" if database else "not ready",
        f"database: {'ok' if database else 'away, or not at the structure of this version'}",
        f"queue: {'ok' if queue else 'away; what is published waits in the database'}",
    ]
    return "\n".join(told) + "\n", 200 if database else 503, TEXT


@public
def metrics() -> ResponseReturnValue:
    """The figures for Prometheus, for who shows LAUREL_METRICS_TOKEN; where none is set there is no such page."""
    token = current_app.config["LAUREL"].metrics_token
    if not token:
        abort(404)
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not compare_digest(shown.encode("utf-8", "surrogatepass"), token.encode()):
        return (
            "Show LAUREL_METRICS_TOKEN as a bearer token.\n",
            401,
            {**TEXT, "WWW-Authenticate": "Bearer"},
        )
    return "".join(_lines(system_status.state(), job_queue.depth())), 200, METRICS


def init_app(app: Flask) -> None:
    """Registers the three addresses."""
    app.add_url_rule("/healthz", "health", alive)
    app.add_url_rule("/readyz", "ready", ready)
    app.add_url_rule("/metrics", "metrics", metrics)


def _lines(state: State, rings: int | None) -> Iterator[str]:
    figures, now = state.figures, datetime.now(UTC)
    waits = (now - figures.waiting_since).total_seconds() if figures.waiting_since else 0.0
    alive = {"worker": state.workers, "clock": state.clocks}
    yield from _metric(
        "info", "Versions.", [({"version": package.version(), "revision": state.revision}, 1)]
    )
    yield from _metric(
        "processes",
        "Workers and clocks that gave a sign of life within 20 seconds.",
        [({"kind": kind}, number) for kind, number in alive.items()],
    )
    yield from _metric("queue_up", "Whether the queue answers.", [({}, rings is not None)])
    if rings is not None:
        yield from _metric("queue_rings", "Rings that wait in the queue.", [({}, rings)])
    yield from _metric(
        "batches",
        "Batches by status.",
        [({"status": status}, number) for status, number in figures.batches.items()],
    )
    yield from _metric(
        "entries_undecided", "Entries of running batches that wait.", [({}, figures.undecided)]
    )
    yield from _metric(
        "batches_stalled", "Running batches that don't get on.", [({}, figures.stalled)]
    )
    yield from _metric(
        "waiting_seconds", "How long the oldest batch waits for a worker.", [({}, max(0.0, waits))]
    )
    yield from _metric(
        "deliveries_waiting", "Messages to webhooks that wait.", [({}, figures.deliveries)]
    )
    yield from _metric("awards_active", "Active awards.", [({}, figures.awards)])


def _metric(name: str, told: str, values: list[Value]) -> Iterator[str]:
    yield f"# HELP laurel_{name} {told}\n# TYPE laurel_{name} gauge\n"
    for labels, value in values:
        named = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"laurel_{name}{f'{{{named}}}' if named else ''} {float(value):g}\n"


def _escaped(text: Any) -> str:
    return str(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
