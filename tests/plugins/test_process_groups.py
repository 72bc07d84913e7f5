"""Tests that share processes run in one worker; groups are found by path, so each path must exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.process_groups import BROWSER_GROUPS, MODULES, group_of

ROOT = Path(__file__).resolve().parents[2]
BROWSER = [f"tests/browser/test_{name}.py" for names in BROWSER_GROUPS.values() for name in names]


@pytest.mark.parametrize("path", [*BROWSER, *MODULES])
def test_the_path_of_a_group_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_modules_that_visit_the_same_console_are_one_group() -> None:
    flow, rules = "tests/browser/test_flow.py::test_a", "tests/browser/test_rules.py::test_b[x]"

    assert group_of(flow) == group_of(rules)
    assert group_of(flow) != group_of("tests/browser/test_layout.py::test_a")


def test_a_module_of_fault_tests_is_a_group_and_any_other_test_is_one_by_itself() -> None:
    start, single = "tests/faults/test_start.py", "tests/domain/test_dates.py::test_a[a/b::c]"

    assert group_of(f"{start}::test_a") == group_of(f"{start}::test_b") == start
    assert group_of(single) == single
