"""The documents are true: what they name is there, and what must be named is.

commands with their options, make targets, settings with their defaults, paths, links and quoted code
exist; every setting, command, target and decision is told; requirements have the names that
requirements have; the documents speak of nothing but the project.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from webapp import config
from webapp.cli import COMMANDS, main
from webapp.config import Settings, load

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXTS = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in FILES}
FOLDERS = "webapp|jobs|templates|static|tests|docs|bench|migrations|tools"
DOCUMENTS = pytest.mark.parametrize("name", TEXTS)

# The only hosts that a document may name: examples, and packages that are called like one.
HOSTS = {"example.org", "htmx.org"}
# What stands at the beginning of a path that is none of this project's files: addresses of the
# console, places on an operator's machine, parts of a program's name.
ROOTS = {"badges", "batches", "members", "sign-in", "proc", "tmp", "srv", "laurel"}
ROOTS |= {"api", "awards", "activities", "member-imports", "settings"}
ROOTS |= {"healthz", "readyz", "metrics", "welcome", "staff", "account", "system"}


def code(text: str) -> Iterator[str]:
    """Every piece of code in a document: fenced, indented or in a line."""
    fenced = re.compile(r"^```.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for block in fenced.findall(text):
        yield from block.splitlines()
    rest = fenced.sub("", text)
    for line in rest.splitlines():
        if line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands(text: str) -> Iterator[list[str]]:
    """Every use of `laurel` in a document's code, as its arguments."""
    for line in code(text):
        for use in re.findall(r"(?:^|[ /;|])laurel ([a-z][^;&|#]*)", line):
            yield shlex.split(re.split(r" {2,}", use)[0].replace("…", ""))


def parameters(command: click.Command) -> set[str]:
    """The options that a command takes."""
    own = {option for parameter in command.params for option in parameter.opts}
    return own | {"--help"}


@DOCUMENTS
def test_every_laurel_command_that_is_named_is_there(name: str) -> None:
    context = click.Context(main)
    for words in commands(TEXTS[name]):
        command = main.get_command(context, words[0])
        assert command, f"laurel {words[0]}"
        if isinstance(command, click.Group) and len(words) > 1:
            command = command.get_command(context, words[1])
            assert command, f"laurel {words[0]} {words[1]}"
        used = {word for word in words if word.startswith("--")}
        assert used <= parameters(command), words


@DOCUMENTS
def test_every_make_target_that_is_named_is_there(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    there = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    named = {
        target for line in code(TEXTS[name]) for target in re.findall(r"\bmake ([a-z]+)", line)
    }
    assert named <= there


def test_the_readme_tells_every_command() -> None:
    told = {tuple(words[:2]) for words in commands(TEXTS["README.md"])}
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        below = sorted(command.commands) if isinstance(command, click.Group) else []
        for one in [(name, sub) for sub in below] or [(name,)]:
            assert any(words[: len(one)] == one for words in told), one


def settings_told() -> dict[str, str]:
    """The settings of the operators' guide, with the default that stands beside each."""
    chapter = TEXTS["docs/operating.md"].split("\n## Settings\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", chapter, re.MULTILINE))


def settings_there() -> dict[str, str]:
    """The settings of `Settings`, by variable, with the name of the field."""
    tree = ast.parse(Path(config.__file__).read_text(encoding="utf-8"))
    (declared,) = (
        one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == "Settings"
    )
    found: dict[str, str] = {}
    for field, text in zip(declared.body, declared.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            assert isinstance(text.value, ast.Constant)
            found[str(text.value.value).split(":")[0]] = field.target.id
    assert set(found.values()) == {field.name for field in fields(Settings)}
    return found


def test_every_setting_is_told_and_no_other() -> None:
    assert settings_told().keys() == settings_there().keys()


def test_every_default_that_is_told_is_the_default() -> None:
    defaults = {field.name: field.default for field in fields(Settings)}
    loaded = load({"SECRET_KEY": "kM3v9QxT7wLr2ZpN8sYd4HbJ6fGcA1eU"})
    seen = 0
    for variable, name in settings_there().items():
        told, default = settings_told()[variable], defaults[name]
        if isinstance(default, int | float):
            assert default == getattr(loaded, name), variable
        if default in ("", ()):  # it has none, or one that words tell
            assert not re.fullmatch("`[^`]*`", told), variable
        else:
            said = f"{default:g}" if isinstance(default, int | float) else str(default)
            assert told == f"`{said}`", variable
            seen += 1
    assert seen > 10


@DOCUMENTS
def test_every_setting_that_is_named_is_there(name: str) -> None:
    named = {
        variable
        for line in code(TEXTS[name])
        for variable in re.findall(r"(?<![.\w])(?:LAUREL|WEB|BATCH)_[A-Z_]+\b", line)
    }
    assert named <= settings_there().keys()


@DOCUMENTS
def test_every_path_that_is_named_is_there(name: str) -> None:
    pattern = rf"(?<![\w/.\-])(?:{FOLDERS})/[\w.\-]+(?:/[\w.\-]+)*"
    for path in re.findall(pattern, re.sub(r"<\w+>\S*", "", TEXTS[name])):
        assert (ROOT / path.rstrip(".")).exists(), path


@DOCUMENTS
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", TEXTS[name]):
        assert (ROOT / name).parent.joinpath(target).exists(), target


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = []
    for file in sorted((ROOT / "docs" / "adr").glob("*.md")):
        number = re.match(r"(\d{4})-[a-z0-9-]+\.md$", file.name)
        assert number, file.name
        assert file.read_text(encoding="utf-8").startswith(f"# {int(number[1])}. "), file.name
        numbers.append(int(number[1]))
    assert numbers == list(range(1, len(numbers) + 1))


@DOCUMENTS
def test_quoted_code_stands_in_the_file_it_is_named_after(name: str) -> None:
    quotes = re.findall(r"^```\w+ (\S+)\n(.*?)^```$", TEXTS[name], re.MULTILINE | re.DOTALL)
    for path, quote in quotes:
        assert quote in (ROOT / path).read_text(encoding="utf-8"), f"{path}\n{quote}"
    if name == "STYLE.md":
        assert len(quotes) > 10


@DOCUMENTS
def test_requirements_have_the_names_that_requirements_have(name: str) -> None:
    for letter in re.findall(r"(?<![\w-])([A-Z])-\d+\b", TEXTS[name]):
        assert letter in "MBDATLRE"


@DOCUMENTS
def test_code_in_a_line_ends_in_it(name: str) -> None:
    """Or the tests above don't see it."""
    prose = re.sub(r"^```.*?^```$", "", TEXTS[name], flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if line.count("`") % 2] == []


@DOCUMENTS
def test_documents_speak_of_the_project_alone(name: str) -> None:
    """No other host, no place on somebody's machine, no ticket; nothing that is still to be written."""
    text = TEXTS[name]
    hosts = re.findall(r"\b(?:[\w-]+\.)+(?:org|com|net|io|dev|eu|de)\b", text)
    assert {".".join(host.split(".")[-2:]) for host in hosts} <= HOSTS
    links = re.findall(r"\b(?!redis|rediss|postgres|postgresql|sqlite|unix)\w+://([\w.]+)", text)
    assert {".".join(host.split(".")[-2:]) for host in links} <= HOSTS | {
        "localhost",
        "127.0.0.1",
        "0.1",
    }
    roots = re.findall(r"(?<![\w.:/<>})\]*…`-])/([a-z][\w-]*)", text)
    roots += re.findall(r"`/([a-z][\w-]*)", text)
    assert set(roots) <= ROOTS
    assert re.findall(r"#\d+|\b(?:TODO|FIXME|TBD|XXX)\b", text) == []
