"""`POST /member-imports` accepts rows from other systems' files."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.api.conftest import Caller
from tests.cases.member_imports import OF_OTHER_SYSTEMS, Case, check, prepare, said
from tests.factories import NOW
from webapp.domain.actor import Actor
from webapp.models import Origin


@pytest.mark.parametrize("case", OF_OTHER_SYSTEMS, ids=lambda case: case.name)
def test_members_of_another_system_are_imported(app: Flask, lms: Caller, case: Case) -> None:
    """D-4, A-2: with the same errors and warnings as a file; a second request changes nothing."""
    with app.app_context():
        prepare(case, Actor(NOW, Origin.API))
    body = {"members": case.members()}
    answer = lms.post("/member-imports", body)
    assert answer.status_code == 200, answer.text
    told = answer.json
    assert told is not None
    assert tuple(told[one] for one in ("created", "updated", "unchanged", "errors")) == case.counts
    results = {one["index"] + 2: one for one in told["results"]}
    said({line: one["error"] for line, one in results.items() if one.get("error")}, case.bad)
    warned = {line: " ".join(one["warnings"]) for line, one in results.items() if one["warnings"]}
    said(warned, case.warned)
    with app.app_context():
        check(case)
    again = lms.post("/member-imports", body).json
    assert again is not None
    assert tuple(again[one] for one in ("created", "updated", "unchanged", "errors")) == case.again
