"""One retry for tests marked `starts_processes`: alone, after all other tests, in a process of its own.

A test that then passes counts as passed, and the summary lists it: `flaky: tests/faults/test_x.py::test_y`. A test
that fails again fails the run. Tests without the mark get no retry. Works with and without xdist.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from typing import Any

import pytest

MARK = "starts_processes"
FAILED_ONCE = "failed once"  # outcome of a report that is neither a pass nor a failure yet


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-retry", action="store_true", help="fail at once, also where a retry is due"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{MARK}: starts processes or a browser; retried once, alone, if it fails"
    )
    if not config.getoption("--no-retry"):
        config.pluginmanager.register(RetryAlone(config), "retry-alone")


class RetryAlone:
    """Holds back first failures while the tests run, and decides on them at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.failures: dict[str, pytest.TestReport] = {}
        self.flaky: list[pytest.TestReport] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and item.get_closest_marker(MARK):
            report.outcome = FAILED_ONCE  # type: ignore[assignment]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == FAILED_ONCE:
            self.failures.setdefault(report.nodeid, report)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        if report.outcome == FAILED_ONCE:
            return "retried", "r", ("RETRIED LATER", {"yellow": True})
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield  # with xdist: until every worker has ended
        if not hasattr(self.config, "workerinput"):
            for nodeid in list(self.failures):
                self._retry(nodeid)
        return result

    def _retry(self, nodeid: str) -> None:
        first = self.failures.pop(nodeid)
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--no-retry"]
        command += ["-p", "no:cacheprovider", "-m", self.config.option.markexpr, nodeid]
        retry = subprocess.run(
            command, cwd=self.config.rootpath, capture_output=True, text=True, check=False
        )
        if retry.returncode == 0:
            self.flaky.append(first)
            return
        again = f"{first.longreprtext}\n\nRetried alone:\n{retry.stdout}{retry.stderr}"
        report = pytest.TestReport(
            nodeid, first.location, first.keywords, "failed", again, when="call"
        )
        self.config.hook.pytest_runtest_logreport(report=report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for report in self.flaky:
            terminalreporter.section(f"first failure of {report.nodeid}", "_")
            terminalreporter.write_line(report.longreprtext)
        for nodeid in self.failures:
            terminalreporter.write_line(f"failed and not retried: {nodeid}", red=True)
        for report in self.flaky:
            terminalreporter.write_line(f"flaky: {report.nodeid}", yellow=True)
