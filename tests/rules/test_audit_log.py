"""Every change is written to the audit log (L-1)."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import FunctionType, ModuleType
from typing import Any

import jobs
import webapp.api
import webapp.cli
import webapp.domain
import webapp.pages
from webapp.domain.activities import counters, csv_import
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.awards import group as group_awards
from webapp.domain.awards import group_revocation, manual
from webapp.domain.batches import uploads
from webapp.domain.imports import import_rows, imports
from webapp.domain.staff import two_factor

CALLERS = (webapp.pages, webapp.api, webapp.cli, jobs)
# These have no effect yet, or are recorded once for many calls.
NOT_RECORDED: set[Any] = {
    manual.needs_reason,
    group_awards.can_undo,
    group_revocation.can_undo,
    uploads.keep,  # a preview
    imports.dry_run,
    imports.receive,  # a file that can still be discarded
    two_factor.begin,  # takes effect when it is confirmed
    import_rows.import_rows,  # recorded once for a whole file, as are the next three
    import_rows.import_postponed,
    imports.carry_out,
    csv_import.take,
    counters.record_events,  # thousands a minute; each event is kept with its ID and time
    audit_log.write,
}


def modules(*packages: ModuleType) -> Iterator[ModuleType]:
    for package in packages:
        yield package
        for found in walk_packages(package.__path__, package.__name__ + "."):
            if not found.name.endswith("__main__"):
                yield import_module(found.name)


def used(source: str, names: dict[str, Any]) -> Iterator[Any]:
    """Yield the functions used in `source`, looked up in `names`, the globals of its module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name | ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            value = names.get(first)
            for part in rest:
                value = getattr(value, part, None) if isinstance(value, ModuleType) else None
            if isinstance(value, FunctionType) and value.__module__.startswith(
                webapp.domain.__name__
            ):
                yield value


def takes_actor(function: FunctionType) -> bool:
    return bool({Actor, Actor.__name__} & set(function.__annotations__.values()))


def records(function: FunctionType, seen: set[FunctionType]) -> bool:
    """True if a function writes to the audit log, or calls one that does."""
    if function in seen:
        return False
    seen.add(function)
    source = inspect.cleandoc("\n" + inspect.getsource(function))
    called = set(used(source, function.__globals__))
    return audit_log.write in called or any(records(one, seen) for one in called)


def test_changes_by_pages_api_commands_and_jobs_are_recorded() -> None:
    """A domain function that takes an actor makes a change in their name."""
    changes = {
        function
        for module in modules(*CALLERS)
        for function in used(inspect.getsource(module), vars(module))
        if takes_actor(function)
    }
    silent = {function for function in changes if not records(function, set())}
    assert len(changes) > 50
    assert silent == NOT_RECORDED
