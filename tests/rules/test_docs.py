"""Links, paths, commands and settings in the documents exist, and the documents name every command and setting.

The expected values are read from the repository: no test has sentences or lists of its own.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import click
import pytest

from tests.rules.test_settings import variables
from webapp.cli import COMMANDS, main
from webapp.config import Settings, load

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXTS = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in FILES}
DOCUMENTS = pytest.mark.parametrize("name", TEXTS)
FENCED = re.compile(r"^```.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code(text: str) -> Iterator[str]:
    """Yield all code: the lines of fenced and indented blocks, and text in backticks."""
    for block in FENCED.findall(text):
        yield from block.splitlines()
    for line in FENCED.sub("", text).splitlines():
        if line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of every `laurel` command in the code of a document."""
    for line in code(text):
        for arguments in re.findall(r"(?:^|[ /;|])laurel ([a-z][^;&|#]*)", line):
            yield shlex.split(re.split(r" {2,}", arguments)[0].replace("…", ""))


@DOCUMENTS
def test_inline_code_ends_on_its_line(name: str) -> None:
    """The other tests read inline code line by line."""
    lines = FENCED.sub("", TEXTS[name]).splitlines()
    assert [line for line in lines if line.count("`") % 2] == []


@DOCUMENTS
def test_laurel_commands_and_their_options_exist(name: str) -> None:
    context = click.Context(main)
    for words in commands(TEXTS[name]):
        command = main.get_command(context, words[0])
        assert command, f"{name} names the command laurel {words[0]}"
        if isinstance(command, click.Group) and len(words) > 1:
            command = command.get_command(context, words[1])
            assert command, f"{name} names the command laurel {words[0]} {words[1]}"
        options = {option for parameter in command.params for option in parameter.opts}
        used = {word for word in words if word.startswith("--")}
        unknown = used - options - {"--help"}
        assert not unknown, f"{name} gives laurel {' '.join(words[:2])} the options {unknown}"


@DOCUMENTS
def test_make_targets_exist(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    named = {word for line in code(TEXTS[name]) for word in re.findall(r"\bmake ([a-z]+)", line)}
    assert not named - targets, f"{name} names make targets that don't exist: {named - targets}"


def test_the_readme_names_every_command() -> None:
    named = {tuple(words[:2]) for words in commands(TEXTS["README.md"])}
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        below = sorted(command.commands) if isinstance(command, click.Group) else []
        for path in [(name, sub) for sub in below] or [(name,)]:
            assert any(words[: len(path)] == path for words in named), f"laurel {' '.join(path)}"


@cache
def documented_settings() -> dict[str, str]:
    """Map each variable in the operators' table of settings to the text of its default."""
    chapter = TEXTS["docs/operating.md"].split("\n## Settings\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", chapter, re.MULTILINE))


def test_the_settings_are_all_documented() -> None:
    assert documented_settings().keys() == variables().keys()


def test_documented_defaults_are_the_defaults() -> None:
    defaults = {field.name: field.default for field in fields(Settings)}
    loaded = load({"SECRET_KEY": "kM3v9QxT7wLr2ZpN8sYd4HbJ6fGcA1eU"})
    for variable, name in variables().items():
        documented, default = documented_settings()[variable], defaults[name]
        if isinstance(default, int | float):
            assert default == getattr(loaded, name), variable
        if default in ("", (), MISSING):  # none, or computed: described in the document
            assert not re.fullmatch("`[^`]*`", documented), variable
        else:
            shown = f"{default:g}" if isinstance(default, int | float) else str(default)
            assert documented == f"`{shown}`", variable


@DOCUMENTS
def test_settings_exist(name: str) -> None:
    """Words in code that start like several settings, such as `LAUREL_`, are settings."""
    starts = Counter(variable.split("_")[0] for variable in variables())
    prefixes = "|".join(start for start, count in starts.items() if count > 1)
    named = re.findall(rf"(?<![.\w])(?:{prefixes})_[A-Z_]+\b", "\n".join(code(TEXTS[name])))
    assert set(named) <= variables().keys()


def folders() -> list[str]:
    """The repository's own top-level folders."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").replace("/", "").splitlines()
    return [
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and path.name not in ignored and not path.name.startswith(".")
    ]


@DOCUMENTS
def test_paths_in_code_exist(name: str) -> None:
    """A path starts with a top-level folder; one with a placeholder such as `<name>` is not checked."""
    path = re.compile(rf"(?<![\w/.<>-])(?:{'|'.join(folders())})/[^\s`'\"(),:;]*")
    named = {found.rstrip(".…") for line in code(TEXTS[name]) for found in path.findall(line)}
    missing = sorted(
        one for one in named if not re.search(r"[<>*{]", one) and not (ROOT / one).exists()
    )
    assert not missing, f"{name} names files that don't exist: {', '.join(missing)}"


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings where it is displayed."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@DOCUMENTS
def test_relative_links_and_their_anchors_exist(name: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        file = (ROOT / name).parent / target if target else ROOT / name
        assert file.exists(), f"{name} links to {target}, which doesn't exist"
        found = not anchor or anchor in anchors(file.read_text(encoding="utf-8"))
        assert found, f"{name} links to {link}, but {file.name} has no such heading"


GUIDES = sorted(name for name in TEXTS if name.startswith("docs/guides/"))
PICTURE = re.compile(r"!\[[^\]]+\]\(images/([\w-]+)\.png\)")


def test_every_picture_of_the_guides_is_taken_by_the_tool_and_used() -> None:
    used = {name for guide in GUIDES for name in PICTURE.findall(TEXTS[guide])}
    there = {path.stem for path in (ROOT / "docs/guides/images").iterdir()}
    tool = (ROOT / "tools" / "screenshots").read_text(encoding="utf-8")
    taken = set(
        re.findall(r"shoot\(page, \"([\w-]+)\"\)|^        \"([\w-]+)\": \"/", tool, re.MULTILINE)
    )

    assert used == there
    assert {one or other for one, other in taken} == there


@pytest.mark.parametrize("name", [name for name in GUIDES if not name.endswith("index.md")])
def test_a_guide_has_steps_and_ends_with_troubleshooting(name: str) -> None:
    chapters = re.split(r"^## ", TEXTS[name], flags=re.MULTILINE)

    assert re.search(r"^1\. ", TEXTS[name], re.MULTILINE)
    assert chapters[-1].startswith("If something goes wrong\n")
    assert re.search(r"^\*\*.+\*\* ", chapters[-1], re.MULTILINE), "symptoms as people say them"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = []
    for file in sorted((ROOT / "docs" / "adr").glob("*.md")):
        number = re.match(r"(\d{4})-[a-z0-9-]+\.md$", file.name)
        assert number, file.name
        assert file.read_text(encoding="utf-8").startswith(f"# {int(number[1])}. "), file.name
        numbers.append(int(number[1]))
    assert numbers == list(range(1, len(numbers) + 1))
