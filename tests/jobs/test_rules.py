"""The job that evaluates all members when a rule takes effect."""

from __future__ import annotations

import pytest
from flask import Flask

from jobs import rules
from tests.counting import statements
from tests.domain.rules.world import World
from tests.factories import Make
from tests.jobs.conftest import set_
from webapp.domain.rules import ConditionDraft
from webapp.models.rule import ConditionKind


def test_a_slow_database_gets_no_more_steps(
    process: Flask, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-2: if every step takes longer than it should, steps still check hundreds of members each."""
    monkeypatch.setattr(rules, "STEP", 0.0)
    set_(process, chunk_size=10, slice_seconds=600)
    members = make.members(2_000)
    with process.app_context():
        world = World(make)
        quest = world.quest()
        rule_id = world.rule(quest, ConditionDraft(ConditionKind.DAYS, 1)).id
        with statements() as sent:
            rules.evaluate(rule_id)
        assert world.holds(quest) == {*members}
    assert sum("SET position" in one for one in sent) <= 6
