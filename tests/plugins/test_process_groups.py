"""Groups of tests are named by path, so each path must exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.process_groups import GROUPS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_tests_exists(group: str) -> None:
    assert (ROOT / group).exists()
