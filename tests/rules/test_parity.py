"""Both databases are tested alike: no test is skipped or expected to fail on one of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
SKIPS = {"skip", "skipif", "xfail", "importorskip"}


def skips(file: Path) -> Iterator[str]:
    """Yield the expressions in a file that skip a test, with their conditions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If | ast.Call):
            text = ast.unparse(node)
            names = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
            if text.startswith(("pytest", "if ")) and names & SKIPS:
                yield text


def test_no_test_is_skipped_for_its_database() -> None:  # I132
    found = [
        (file.relative_to(TESTS).as_posix(), skip)
        for file in TESTS.rglob("*.py")
        for skip in skips(file)
        if any(word in skip for word in ("sqlite", "postgres", "dialect", "engine"))
    ]
    assert found == []
