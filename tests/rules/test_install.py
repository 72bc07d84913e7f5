"""Packages are pinned by hash, name no index, and are installed once; the Procfile and make targets are complete."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import click
import pytest

from webapp.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PYPROJECT["dependency-groups"]
DIRECT = PYPROJECT["project"]["dependencies"]
DEMO = PYPROJECT["project"]["optional-dependencies"]["demo"]
LOCKS = [
    "requirements.txt",
    "requirements-demo.txt",
    "requirements-build.txt",
    "requirements-dev.txt",
]
VENDOR = PYPROJECT["tool"]["laurel"]["vendor"]


def name_of(requirement: str) -> str:
    """The normalized name of a package."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!;~]", requirement)[0]).lower()


def locked(lock: str) -> dict[str, set[str]]:
    """The versions that a lock file gives each package. Raises for any other line."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        pinned = re.fullmatch(
            r"([\w.-]+)==([\w.]+)( ; [^;]*?)?((?: +--hash=sha256:[0-9a-f]{64})+) *", line
        )
        assert pinned, f"{lock}: not a version with its hashes: {line[:80]}"
        found.setdefault(name_of(pinned[1]), set()).add(pinned[2])
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_gives_versions_with_hashes_and_nothing_else(lock: str) -> None:
    assert len(locked(lock)) > 5


def test_the_locks_agree() -> None:
    runtime, demo, build, everything = (locked(lock) for lock in LOCKS)

    assert demo == demo | runtime
    assert everything == everything | demo | build


def test_every_direct_dependency_is_locked() -> None:
    assert {name_of(one) for one in DIRECT} <= set(locked("requirements.txt"))
    assert {name_of(one) for one in DEMO} <= set(locked("requirements-demo.txt"))
    assert {name_of(one) for one in GROUPS["dev"]} <= set(locked("requirements-dev.txt"))


def test_the_build_system_requires_the_locked_versions() -> None:
    build = locked("requirements-build.txt")

    for requirement in PYPROJECT["build-system"]["requires"]:
        name, _, version = requirement.partition("==")
        assert build[name_of(name)] == {version}


def test_every_direct_dependency_is_explained() -> None:
    rows = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").splitlines()
    told = {
        name_of(name.split(" ")[0])
        for row in rows
        if row.startswith("| ")
        for name in row.split("|")[1].strip().split(", ")
    }
    direct = [*DIRECT, *DEMO, *GROUPS["build"], *GROUPS["dev"], *(one["package"] for one in VENDOR)]

    assert {name_of(one) for one in direct} - told == set()


def imported(folder: str) -> set[str]:
    """The packages imported by the modules of `folder` that are neither Python's own nor ours."""
    modules = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {one.name.split(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules.add(node.module.split(".")[0])
    packages = packages_distributions()
    others = modules - set(sys.stdlib_module_names) - {"_typeshed"}
    return {name_of(one) for module in others for one in packages.get(module, [])} - {
        PYPROJECT["project"]["name"]
    }


@pytest.mark.parametrize(
    ("folders", "asked_for"),
    [
        (["webapp", "jobs", "migrations"], DIRECT + DEMO),
        (["tests", "bench"], DIRECT + GROUPS["build"] + GROUPS["dev"]),
    ],
    ids=["product", "tests"],
)
def test_every_package_that_is_imported_is_asked_for(
    folders: list[str], asked_for: list[str]
) -> None:
    direct = {name_of(one) for one in asked_for}
    # Flask and its extensions document their components, such as Werkzeug, as part of themselves.
    parts = {name_of(part) for one in direct if "flask" in one for part in requires(one) or ()}

    for folder in folders:
        assert imported(folder) - direct - parts == set(), folder


def run_hook(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the build hook's download into `folder`, without a network."""
    nowhere = dict.fromkeys(("https_proxy", "http_proxy"), "http://127.0.0.1:9")
    program = (
        "import sys, pathlib, tomllib, hatch_build;"
        "specs = tomllib.loads(pathlib.Path('pyproject.toml').read_text())['tool']['laurel'];"
        "[hatch_build.vendor(pathlib.Path(sys.argv[1]), **one) for one in specs['vendor']]"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=ROOT,
        env={**os.environ, **nowhere, "no_proxy": ""},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.starts_processes
def test_the_front_end_is_fetched_only_where_it_is_missing(tmp_path: Path) -> None:
    for one in VENDOR:
        for name in [*one["keep"], ".integrity"]:
            copy = tmp_path / one["dest"] / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / one["dest"] / name).read_bytes())

    again = run_hook(tmp_path)
    (tmp_path / VENDOR[0]["dest"] / VENDOR[0]["keep"][0]).unlink()
    missing = run_hook(tmp_path)

    assert again.returncode == 0, again.stderr
    assert "URLError" in missing.stderr


def test_only_the_named_files_of_the_front_end_are_there() -> None:
    for one in VENDOR:
        folder = ROOT / one["dest"]
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
        assert there == {name for name in one["keep"] if "." in name} | {".integrity"}


def test_the_procfile_runs_commands_that_are_there() -> None:
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").split("\n")
    processes = dict(line.split(": ") for line in lines if line)

    assert set(processes) == {"release", "web", "worker", "deliveries", "clock"}
    for command in processes.values():
        program, first, *_ = command.split()
        assert program == "laurel"
        assert first in COMMANDS


def test_every_command_exists_and_has_help() -> None:
    context = click.Context(main)

    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command
        assert command.get_short_help_str()


@pytest.mark.starts_processes
def test_make_help_lists_every_target() -> None:
    told = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    assert targets
    assert {line.split()[0] for line in told.splitlines()} == set(targets[1].split())
