"""Mannerisms that plain English doesn't need stay out of the interface, the guides, docstrings and comments."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Only phrases without a legitimate use: each has a plainer equivalent in every sentence.
MANNERISMS = re.compile(
    r"\b(?:whoever|nobody|anew|how-manieth"
    r"|(?:comes?|came|become|becomes|became) of (?:it|them|each)"
    r"|(?:tell|tells|told|telling) of"
    r"|stands? (?:there|beside|by itself)|as (?:it|they) stands?"
    r"|of before|holds from|in (?:its|their|somebody's) hands|falls? silent|fell silent"
    r"|is (?:good )?no more)\b",
    re.IGNORECASE,
)
TEXTS = (
    "README.md",
    "docs/**/*.md",
    "webapp/messages/*.toml",
    "templates/**/*.html",
)
SOURCES = ("webapp/**/*.py", "jobs/**/*.py", "bench/**/*.py", "migrations/**/*.py", "tests/**/*.py")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def passages(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the line number and text of each docstring and comment, or the whole text of other files."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        yield 1, text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and (docstring := ast.get_docstring(node, clean=False)):
            yield node.body[0].lineno, docstring
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@pytest.mark.parametrize("pattern", TEXTS + SOURCES)
def test_texts_are_free_of_mannerisms(pattern: str) -> None:
    assert [
        f"{file.relative_to(ROOT)}:{line + passage.count(chr(10), 0, found.start())}: {found[0]}"
        for file in sorted(ROOT.glob(pattern))
        for line, passage in passages(file)
        for found in MANNERISMS.finditer(passage)
    ] == []
