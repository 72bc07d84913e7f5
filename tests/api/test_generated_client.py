"""A client generated from the API description does the daily jobs of another system, with matching types."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask, json

from tests.api.conftest import Caller
from webapp.api.framework import openapi

JOBS = Path(__file__).with_name("daily_jobs.py")


def run(*command: str, **environment: str) -> None:
    """Run a tool of this environment; fail with what it said."""
    tools = str(Path(sys.executable).parent)
    environ = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **environment}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_generated_client_does_the_daily_jobs(
    app: Flask,
    lms: Caller,
    community: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A-1: the generator warns of nothing, mypy accepts its types, and requests and responses match."""
    with app.app_context():
        (tmp_path / "openapi.json").write_text(json.dumps(openapi.document()), encoding="utf-8")
    package = tmp_path / "laurel_client"
    run("openapi-python-client", "generate", f"--path={tmp_path / 'openapi.json'}",
        f"--output-path={package}", "--meta=none", "--fail-on-warning")  # fmt: skip
    (package / "py.typed").touch()
    run("mypy", "--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", str(JOBS),
        MYPYPATH=str(tmp_path))  # fmt: skip

    monkeypatch.syspath_prepend(tmp_path)
    laurel_client = importlib.import_module("laurel_client")
    daily_jobs = importlib.import_module("tests.api.daily_jobs")
    client = laurel_client.AuthenticatedClient(base_url="", token="")
    with httpx.Client(
        base_url="http://localhost/api/v1",
        headers={"Authorization": f"Bearer {lms.key}"},
        transport=httpx.WSGITransport(app=app),
    ) as transport:
        client.set_httpx_client(transport)
        daily_jobs.run(client, str(community["quest"].id))
