"""Every verb that is told who acts is recorded in the audit log, or stands here with the reason why not (L-1)."""

from __future__ import annotations

import ast
from pathlib import Path

DOMAIN = Path(__file__).resolve().parents[2] / "webapp" / "domain"

# Reads that depend on who asks.
READS = {
    "awarding.can_restore",
    "awarding.needs_reason",
    "group_awards.can_undo",
}
# Written before the person presses the button that counts, which is recorded.
NOT_YET = {
    "uploads.keep",  # a preview
    "member_imports.dry_run",
    "member_imports.receive",  # a file that can still be discarded
    "second_factor.begin",  # a key that counts once it is confirmed
}
# Parts of verbs that are recorded themselves.
PARTS = {
    "awarding.moment",
    "awarding.give",
    "batches.add_draft",
    "batches.add_members",
    "links.write",
    "staff.enter",
    "merging.write",
    "members.import_rows",
    "members.import_postponed",
    "members.import_again",
    "activity_files.take",
    "member_imports.carry_out",  # the worker records what was done, at the end or where it stops
    "rules.keeping.begin",
    "rules.keeping.came_into_force",
}
# Thousands a minute, each kept for itself with its ID and time.
EVENTS = {"activity.count"}
EXCEPTIONS = READS | NOT_YET | PARTS | EVENTS


def functions() -> dict[str, ast.FunctionDef]:
    """Every function of the domain, by module and name."""
    found = {}
    for file in sorted(DOMAIN.rglob("*.py")):
        module = ".".join(file.relative_to(DOMAIN).with_suffix("").parts)
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                found[f"{module}.{node.name}"] = node
    return found


def takes_an_act(function: ast.FunctionDef) -> bool:
    arguments = [*function.args.args, *function.args.kwonlyargs]
    return any(one.annotation and ast.unparse(one.annotation) == "Act" for one in arguments)


def records(name: str, known: dict[str, ast.FunctionDef], seen: set[str]) -> bool:
    """Whether a function writes to the audit log, or calls one that does."""
    if name in seen:
        return False
    seen.add(name)
    module = name.rpartition(".")[0]
    for node in ast.walk(known[name]):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called == "record.write":
            return True
        for one in (f"{module}.{called}", called):
            if one in known and records(one, known, seen):
                return True
    return False


def test_every_verb_is_recorded() -> None:
    """L-1: a function that takes an Act changes something in somebody's name."""
    known = functions()
    verbs = {
        name
        for name, function in known.items()
        if takes_an_act(function)
        and not function.name.startswith("_")
        and not name.startswith(("demo.", "record."))
    }
    assert len(verbs) > 50
    silent = {name for name in verbs if not records(name, known, set())}
    assert silent == EXCEPTIONS
