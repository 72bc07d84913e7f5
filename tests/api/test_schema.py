"""The API description is accurate: schemathesis tests a running API with valid and invalid requests (A112)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.api.conftest import Caller
from tests.browser.site import Site
from webapp.api.framework import openapi, openapi_paths
from webapp.api.framework.operations import OPERATIONS
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.permissions import Scope
from webapp.models import AwardSource, Origin, WebhookEvent
from webapp.schemas.problems import TITLES
from webapp.transaction import transaction

CONFIG = Path(__file__).with_name("schemathesis.toml")
PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"


@pytest.fixture
def served() -> Iterator[tuple[Site, str]]:
    """A running console with one of each object, and a key with all permissions."""
    site = Site("", Path(tempfile.mkdtemp(prefix="s-")), LAUREL_API_REQUESTS="1000000")
    for _ in range(12):
        quest = site.make.quest()
    members = site.make.members(20)
    for member in members[:12]:
        site.make.award(member, quest.id)
        site.make.batch(members[:3], quest)
    with site.app.app_context(), transaction():
        actor = Actor(datetime.now(UTC), Origin.COMMAND_LINE)
        key = api_keys.create("Schemathesis", list(Scope), None, actor).text
    site.start_queue()
    site.start_web()
    site.start_worker()
    yield site, key
    site.stop()


def fuzz(site: Site, key: str, *options: str) -> str:
    """Run schemathesis against the site and return its output; fail if it reports anything."""
    command = [sys.executable, "-c", PROGRAM, f"--config-file={CONFIG}", "run"]
    command += [f"{site.url}/api/v1/openapi.json", "--url", f"{site.url}/api/v1"]
    command += ["-H", f"Authorization: Bearer {key}"]
    command += [
        "--phases=examples,coverage,fuzzing",
        "--continue-on-failure",
        "--workers=2",
        *options,
    ]
    done = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, check=False)
    said = re.sub(r"\S{300,}", "…", done.stdout + done.stderr)
    assert done.returncode == 0, said[-8000:]
    assert "Authentication failed" not in said, said[-3000:]
    assert "unhandled" not in site.log()
    return said


@pytest.mark.slow
@pytest.mark.starts_processes
@pytest.mark.timeout(300)
def test_operations_answer_as_described(served: tuple[Site, str]) -> None:
    """A112, A109: valid and invalid requests to every operation; no server error, no undocumented response."""
    said = fuzz(*served, "--max-examples=8", "--seed=1")

    assert f"Tested: {len(OPERATIONS)}" in said, said[-3000:]


@pytest.mark.soak
@pytest.mark.starts_processes
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_operations_answer_as_described_for_hundreds_of_requests(
    served: tuple[Site, str], seed: int
) -> None:
    """A112: the same with hundreds of requests for each."""
    fuzz(*served, "--max-examples=300", f"--seed={seed}")


def test_the_description_is_openapi_3_1(app: Flask) -> None:
    """A-1: and every schema it refers to exists."""
    from schemathesis import openapi as reader

    with app.app_context():
        document = openapi.document()
    reader.from_dict(document).validate()
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named <= set(document["components"]["schemas"])
    assert len(OPERATIONS) == sum(len(path) for path in document["paths"].values())


def test_every_problem_is_described(app: Flask) -> None:
    """A-5: each operation lists its possible statuses, and each listed status has a problem type."""
    with app.app_context():
        document = openapi.document()
    statuses = {str(status) for status, _ in TITLES.values()}
    for path in document["paths"].values():
        for operation in path.values():
            stated = {status for status in operation["responses"] if int(status) >= 400}
            assert {"401", "403", "422", "429", "500", "503"} <= stated <= statuses


def test_everything_is_described(app: Flask) -> None:
    """A-1: operations, their parameters, and the fields of all schemas."""
    with app.app_context():
        document = openapi.document()
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert "\n    " not in operation["description"]
            assert all(parameter["description"] for parameter in operation["parameters"])
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, stated in schema.get("properties", {}).items():
            assert stated["description"].endswith("."), (name, field)


def test_examples_of_responses_match_their_schemas(app: Flask) -> None:
    """A-1: each successful response with a body has one."""
    with app.app_context():
        document = openapi.document()
    for operation in OPERATIONS:
        path = openapi_paths.path_template(operation)
        responses = document["paths"][path][operation.method.lower()]["responses"]
        for status, model in operation.responses.items():
            if model is not None:
                example = responses[str(status)]["content"]["application/json"]["example"]
                assert set(example) == set(model.model_fields)
                model.model_validate(example)


def test_generated_clients_require_no_field_that_has_a_default(app: Flask) -> None:
    """openapi-typescript takes fields with a default for required; the default is in the description instead."""
    with app.app_context():
        document = openapi.document()
    assert '"default":' not in json.dumps(document)
    parameters = document["paths"]["/members"]["get"]["parameters"]
    assert any("Default: 50." in one["description"] for one in parameters)
    schemas = document["components"]["schemas"]
    assert "amount" not in schemas["ActivityIn"]["required"]
    assert "Default: 1." in schemas["ActivityIn"]["properties"]["amount"]["description"]
    assert "error" in schemas["ActivityCounted"]["required"]


def test_the_description_has_a_contact_headers_and_every_webhook(app: Flask) -> None:
    with app.app_context():
        document = openapi.document()
    assert document["info"]["contact"]["url"].endswith("/api/docs")
    assert set(document["webhooks"]) == {*WebhookEvent, "webhook.test"}
    names = {webhook["post"]["operationId"] for webhook in document["webhooks"].values()}
    assert "receive_award_created" in names
    assert len(names) == len(document["webhooks"])
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                assert status == "414" or "RateLimit" in response["headers"]
    made = document["paths"]["/awards"]["post"]["responses"]
    assert {"RateLimit", "RateLimit-Policy", "Idempotent-Replayed"} == set(made["201"]["headers"])
    assert "Retry-After" in made["503"]["headers"]
    way = document["components"]["schemas"]["AwardOut"]["properties"]["way"]
    assert set(way["enum"]) == set(AwardSource)


def test_the_description_is_public(app: Flask, lms: Caller) -> None:
    """A-1: without a key; it contains nothing that requires one."""
    answer = app.test_client().get("/api/v1/openapi.json")

    assert answer.status_code == 200
    described: Any = answer.json
    assert described["openapi"] == "3.1.0"
    assert lms.key not in answer.text
