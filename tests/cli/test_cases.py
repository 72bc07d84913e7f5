"""`laurel members import` accepts other systems' files."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask

from tests.cases.member_imports import BY_NAME, CASES, Case, check, prepare, said
from tests.factories import NOW
from webapp.domain.actor import Actor
from webapp.models import Origin

COUNTS = re.compile(r"([\d,]+) created, ([\d,]+) updated, ([\d,]+) unchanged, ([\d,]+) skipped\.")


def counts(result: Result) -> tuple[int, ...]:
    found = COUNTS.search(result.output)
    assert found, result.output
    return tuple(int(number.replace(",", "")) for number in found.groups())


def lines(result: Result, begin: str) -> dict[int, str]:
    """The messages by line."""
    told = re.findall(rf"^{begin} (\d+): (.*)$", result.output, re.MULTILINE)
    return {int(line): sentence for line, sentence in told}


@pytest.mark.parametrize("case", CASES, ids=BY_NAME)
def test_a_file_of_another_tool_is_imported(
    app: Flask, imports: Callable[..., Result], case: Case
) -> None:
    """D-4: the dry run reports the same as the import; a second import changes nothing."""
    with app.app_context():
        prepare(case, Actor(NOW, Origin.COMMAND_LINE))
    dry = imports("members", case.data, "--dry-run")
    wet = imports("members", case.data)
    for result in (dry, wet):
        assert counts(result) == case.counts, result.output
        said(lines(result, "Line"), case.bad)
        said(lines(result, "Warning, line"), case.warned)
        assert result.exit_code == (1 if case.bad else 0)
    for remark in case.remarks:
        assert remark in wet.output
        assert re.sub(r"(was|were) imported", "would be imported", remark) in dry.output
    with app.app_context():
        check(case)
    assert counts(imports("members", case.data)) == case.again
