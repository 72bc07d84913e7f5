"""The context of jobs: one app per process, created before the worker forks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from flask import Flask

from webapp import create_app
from webapp.config import Settings
from webapp.database.engine import relax_sync
from webapp.domain.actor import Actor
from webapp.infrastructure import log_format
from webapp.models import Origin

P = ParamSpec("P")
R = TypeVar("R")


@cache
def app() -> Flask:
    """The process's app; forked children inherit it."""
    made = create_app(web=False)
    relax_sync(made)  # the clock re-queues whatever a job loses
    return made


def settings() -> Settings:
    return app().config["LAUREL"]


def job(function: Callable[P, R]) -> Callable[P, R]:
    """Run a job in its app context, with an ID in its log lines."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        token = log_format.at_work.set(f"{function.__name__}-{log_format.new_id()}")
        try:
            with app().app_context():
                return function(*args, **kwargs)
        finally:
            log_format.at_work.reset(token)

    return inside


_stopping = False


def stop_soon() -> None:
    global _stopping
    _stopping = True


def stopping() -> bool:
    return _stopping


def worker_actor() -> Actor:
    return Actor(at=datetime.now(UTC), origin=Origin.WORKER)
