"""Heartbeats: written every few seconds, without delaying work (J8, R11)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flask import Flask

from jobs import context, heartbeat
from tests.conftest import settings_for
from webapp import create_app
from webapp.domain.operations import heartbeats
from webapp.models import ProcessKind


@pytest.fixture
def heart(app: Flask, monkeypatch: pytest.MonkeyPatch) -> heartbeat.Heartbeat:
    monkeypatch.setattr(heartbeat, "app", lambda: app)
    return heartbeat.Heartbeat(ProcessKind.WORKER)


def seen(app: Flask) -> list[heartbeats.ProcessStatus]:
    with app.app_context():
        return heartbeats.list_processes()


def test_heartbeats_are_written_every_few_seconds_until_sign_off(
    app: Flask, heart: heartbeat.Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "EVERY", 600.0)
    heart.beat()
    (first,) = seen(app)
    assert (first.kind, first.pid, first.silent) == (ProcessKind.WORKER, os.getpid(), False)
    heart.beat()
    assert seen(app) == [first]  # not due yet
    heart.next = 0
    heart.beat()
    (second,) = seen(app)
    assert second.started_at == first.started_at
    assert second.seen_at > first.seen_at
    heart.stop()
    assert seen(app) == []


def test_a_worker_s_child_has_none_of_its_own(app: Flask, heart: heartbeat.Heartbeat) -> None:
    child = os.fork()
    if child == 0:
        try:
            heart.beat()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert seen(app) == []


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/x"])
def test_a_database_outage_stops_no_heartbeat(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R11: nothing is raised; the next heartbeat follows."""
    adrift = create_app(settings_for(url, tmp_path))
    monkeypatch.setattr(heartbeat, "app", lambda: adrift)
    heart = heartbeat.Heartbeat(ProcessKind.CLOCK)
    heart.beat()
    assert heart.next > 0
    heart.stop()


def test_the_clock_and_the_worker_take_the_shell_s_app() -> None:
    assert heartbeat.app is context.app
