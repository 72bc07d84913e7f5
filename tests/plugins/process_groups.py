"""With xdist, run tests that share processes in one worker; other tests go to any free worker.

Tests that start processes often wait, so one worker begins with the other tests, to use the processor meanwhile.

Groups are found by path: marks such as xdist_group get lost between pytest 9.2 and xdist 3.8 (pytest-xdist issue
1386).
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# By the consoles that they use. In one worker, tests/browser would be the longest group by far.
BROWSER_GROUPS = {
    "the community of 100,000": ("filling", "flow", "keyboard", "members", "robust", "rules", "staff"),
    "consoles of their own": ("accessibility", "focus", "layout", "print", "settings"),
}  # fmt: skip
REST = "the console without worker"
# Each of these modules is a group; every worker sets up their shared fixtures anyway.
MODULES = ("tests/faults/", "tests/api/test_docs.py", "tests/api/test_schema.py")


def group_of(nodeid: str) -> str:
    """The name of a test's group; tests of the same group run in the same worker."""
    path = nodeid.partition("::")[0]
    if path.startswith("tests/browser/"):
        name = PurePosixPath(path).stem.removeprefix("test_")
        return next((group for group, names in BROWSER_GROUPS.items() if name in names), REST)
    return path if path.startswith(MODULES) else nodeid


class ProcessGroupScheduling(LoadScopeScheduling):
    """Distributes groups, largest first; to the last of several workers, smallest first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if len(self.nodes) > 1 and node is self.nodes[-1]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)  # this hook exists only with xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ProcessGroupScheduling:
    return ProcessGroupScheduling(config, log)
