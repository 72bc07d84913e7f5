"""With xdist, run tests that share processes in one worker; every other test goes to whichever worker is free.

Groups are found by path: marks such as xdist_group get lost between pytest 9.2 and xdist 3.8 (pytest-xdist issue 1386).
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# The first that fits; about as long as each other.
GROUPS = (
    "tests/browser/",
    "tests/faults/test_unlock_faults.py",
    "tests/faults/test_commands.py",
    "tests/faults/",
    "tests/api/test_docs.py",
    "tests/api/test_schema.py",
)


class ProcessGroupScheduling(LoadScopeScheduling):
    """Distributes single tests, except those of `GROUPS`. xdist starts with the largest groups."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group in GROUPS if nodeid.startswith(group)), nodeid)


@pytest.hookimpl(optionalhook=True)  # without xdist there is no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ProcessGroupScheduling:
    return ProcessGroupScheduling(config, log)
