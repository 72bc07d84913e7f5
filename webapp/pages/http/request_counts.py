"""Count requests for /metrics, over all web processes."""

from __future__ import annotations

import os

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.multiprocess import MultiProcessCollector

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where the web processes count; set by gunicorn_worker

REQUESTS = Counter(
    "laurel_http_requests",
    "Requests by method, route and status; requests to unknown URLs have no route.",
    ["method", "route", "status"],
    registry=None,
)


def register(registry: CollectorRegistry) -> None:
    if FOLDER in os.environ:
        MultiProcessCollector(registry)
    else:
        registry.register(REQUESTS)


def init_app(app: Flask) -> None:
    if app.config["LAUREL"].metrics_token:
        app.after_request(_count)


def _count(response: Response) -> Response:
    """Count by the route's pattern: paths are many, and name members."""
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, str(request.url_rule or ""), response.status_code).inc()
    return response
