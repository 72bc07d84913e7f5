"""The app as in the jobs' process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask

from jobs import context
from tests.adapters.fakes import LOOPBACK


@contextmanager
def job_process(app: Flask, **settings: object) -> Iterator[None]:
    """Run jobs in this app, with other settings; those that the block changes are restored too."""
    context.app.cache_clear()
    original, context.create_app = context.create_app, lambda **_: app
    before = app.config["LAUREL"]
    app.config["LAUREL"] = replace(before, **settings)
    try:
        yield
    finally:
        context.create_app = original
        context.app.cache_clear()
        app.config["LAUREL"] = before


@pytest.fixture
def on_loopback(app: Flask) -> Iterator[Flask]:
    """The app as in the jobs' process, in its context and allowed to connect to loopback."""
    with job_process(app, webhook_networks=LOOPBACK), app.app_context():
        yield app
