"""Tests that share processes run in one worker; groups are found by path, so each path must exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.process_groups import BROWSER_GROUPS, MODULES, group_of

pytest_plugins = ["pytester"]

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


def test_one_worker_begins_with_tests_that_are_not_in_a_group(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest("""
        from pathlib import Path

        import pytest

        pytest_plugins = ["tests.plugins.process_groups"]

        @pytest.fixture(autouse=True)
        def note(request, worker_id):
            with Path(__file__).with_name(worker_id).open("a") as file:
                file.write(request.path.name + "\\n")
    """)
    module = "import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_it(n): pass"
    for path in ("tests/faults/test_a.py", "tests/test_other.py"):
        file = pytester.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(module)

    result = pytester.runpytest_subprocess("-p", "xdist", "-n", "2")

    result.assert_outcomes(passed=18)
    first = {(pytester.path / name).read_text().split()[0] for name in ("gw0", "gw1")}
    assert first == {"test_a.py", "test_other.py"}
