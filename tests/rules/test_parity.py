"""Both databases are tested alike: a test that asks for `app` runs on each, and none is left out for one of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# What can't run everywhere, and why. A line added here is a decision.
LEFT_OUT = {"faults/test_start.py": "looks into /proc, which only Linux has"}


def skips(file: Path) -> Iterator[str]:
    """The uses of `skip`, `skipif`, `xfail` and `importorskip` of pytest in a file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in (
            "skip",
            "skipif",
            "xfail",
            "importorskip",
        ):
            of = ast.unparse(node.value)
            if of in ("pytest", "pytest.mark"):
                yield f"{of}.{node.attr}"


def test_no_test_is_left_out_for_one_database() -> None:
    """I132."""
    found = {
        file.relative_to(TESTS).as_posix(): list(skips(file))
        for file in TESTS.rglob("*.py")
        if list(skips(file))
    }
    assert found.keys() == LEFT_OUT.keys()
