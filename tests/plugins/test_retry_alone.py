"""Tests that start processes get one retry, alone; all others get none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
# `succeed_after(n)` fails `n` times; the count is in a file because the retry is another process.
HELPER = """
    from pathlib import Path

    def succeed_after(failures):
        calls = Path(__file__).with_name("calls")
        with calls.open("a") as file:
            file.write("x")
        assert calls.stat().st_size > failures, "not yet"
"""


@pytest.fixture(params=["one process", "xdist"])
def run(
    request: pytest.FixtureRequest, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], pytest.RunResult]:
    """Run a test module in a project that has the plugin."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # slow to import
    pytester.makeconftest('pytest_plugins = ["tests.plugins.retry_alone"]')
    pytester.makepyfile(helper=HELPER)

    def run_module(module: str) -> pytest.RunResult:
        pytester.makepyfile(test_module=module)
        workers = ("-p", "xdist", "-n", "2") if request.param == "xdist" else ()
        return pytester.runpytest_subprocess(*workers)

    return run_module


def calls(pytester: pytest.Pytester) -> int:
    return (pytester.path / "calls").stat().st_size


def test_a_marked_test_that_fails_once_passes_and_is_named(
    run: Callable[[str], pytest.RunResult], pytester: pytest.Pytester
) -> None:
    result = run("""
        import pytest
        from helper import succeed_after

        @pytest.mark.starts_processes
        def test_server():
            succeed_after(1)

        def test_plain():
            pass
    """)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*not yet*", "flaky: test_module.py::test_server"])
    result.assert_outcomes(passed=1)  # the other one
    assert calls(pytester) == 2


def test_a_marked_test_that_fails_twice_fails_the_run(
    run: Callable[[str], pytest.RunResult], pytester: pytest.Pytester
) -> None:
    result = run("""
        import pytest
        from helper import succeed_after

        @pytest.mark.starts_processes
        def test_server():
            succeed_after(2)
    """)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("flaky: *")
    assert calls(pytester) == 2


def test_an_unmarked_test_is_not_retried(
    run: Callable[[str], pytest.RunResult], pytester: pytest.Pytester
) -> None:
    result = run("""
        from helper import succeed_after

        def test_plain():
            succeed_after(1)
    """)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    assert calls(pytester) == 1


def test_a_failing_fixture_is_retried(run: Callable[[str], pytest.RunResult]) -> None:
    result = run("""
        import pytest
        from helper import succeed_after

        @pytest.fixture(scope="session")
        def server():
            succeed_after(1)

        @pytest.mark.starts_processes
        @pytest.mark.parametrize("path", ["/a b::[x]"])
        def test_server(server, path):
            pass
    """)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["flaky: test_module.py::test_server*"])


def test_the_retry_runs_after_all_other_tests_in_a_process_of_its_own(
    run: Callable[[str], pytest.RunResult],
) -> None:
    result = run("""
        import os
        from pathlib import Path

        import pytest

        PIDS = Path(__file__).with_name("pids")

        def note_pid():
            with PIDS.open("a") as file:
                file.write(f"{os.getpid()}\\n")

        @pytest.mark.starts_processes
        def test_server():
            known = PIDS.read_text().split() if PIDS.exists() else []
            note_pid()
            assert len(known) > 5 and str(os.getpid()) not in known

        @pytest.mark.parametrize("number", range(5))
        def test_plain(number):
            note_pid()
    """)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["flaky: test_module.py::test_server"])
