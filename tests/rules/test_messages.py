"""House rules of the messages: every code has a text, every text a use, and every use the values that its text needs.

A code is written out in full (`"badges.name_missing"`), or as an f-string that `BUILT` lists with its codes.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from string import Formatter
from typing import NamedTuple

import pytest

from tests.conftest import settings_for
from webapp import create_app
from webapp.database import Base
from webapp.domain import lookup
from webapp.domain.badges.settings import BadgeSettings
from webapp.domain.csv_files import decoding
from webapp.domain.imports.import_rows import OPTIONAL
from webapp.messages import audit_actions, catalogue, names_in
from webapp.models import AwardSource, MemberStatus, WebhookEvent
from webapp.models.award import HOLDERS
from webapp.models.batch import Outcome

ROOT = Path(__file__).parents[2]
FILES = sorted(file for package in ("webapp", "jobs") for file in (ROOT / package).rglob("*.py"))
SECTIONS = "|".join(sorted({code.partition(".")[0] for code in catalogue()}))
CODE = re.compile(rf"({SECTIONS})\.[a-z_]+")
ACTIONS = audit_actions()


def each(code: str, *values: Iterable[str]) -> list[str]:
    """Return a code for each of the values that `*` stands for."""
    return [code.replace("*", value) for one in values for value in one]


KINDS = [kind for _, kind, _ in (*decoding.SIGNATURES, *decoding.ZIPPED)]
KINDS += [kind for _, kind in decoding.MARKUP]
KEYS = ("id", "username")
TEXTS = (*KEYS, "email")
WITHOUT = ("imports.without", "imports.would_lack")
TAKEN = ("imports.username_taken", "imports.email_taken", "imports.email_dropped")
UNDONE = ["revoked_by_undo", "kept", "kept_before", "kept_again", "kept_failed", "not_held_revoked"]
UNDONE += ["kept_changed", "not_held"]  # stored by earlier versions
FAILED = set(Outcome) - {Outcome.AWARDED, *UNDONE}

BUILT = {
    "awards.member_{member.status}": each(
        "awards.member_*", (MemberStatus.LEFT, MemberStatus.SUSPENDED)
    ),
    "members.{member.status}": each("members.*", (MemberStatus.LEFT, MemberStatus.SUSPENDED)),
    "awards.{action}_not_yours": each("awards.*_not_yours", ("undo", "group_undo")),
    "awards.{action}_too_late": each("awards.*_too_late", ("undo", "group_undo")),
    "awarded.{award.source}": each("awarded.*", AwardSource),
    "revoked.{award.revoke_source}": each(
        "revoked.*", {*AwardSource, HOLDERS} - {AwardSource.RULE, AwardSource.IMPORT}
    ),
    "badge_changes.{mode}": each("badge_changes.*", ("automatic", "manual")),
    "badge_changes.{name}": each(
        "badge_changes.*", {one.name for one in fields(BadgeSettings)} - {"name", "automatic"}
    ),
    "badges.{field}_unknown": each("badges.*_unknown", ("shape", "colour", "icon")),
    "common.{NAMES.get(model, model.__name__.lower())}_not_found": each(
        "common.*_not_found", lookup.NAMES.values(), ("award", "badge", "batch", "member")
    ),
    "csv_files.hint_{self.kind}": each("csv_files.hint_*", ("shortened", "number", "date")),
    "csv_files.shortened_{field}": each("csv_files.shortened_*", KEYS),
    "csv_files.shortened_{label}": each("csv_files.shortened_*", KEYS),
    "csv_files.{field}_lookalike": each("csv_files.*_lookalike", TEXTS),
    "entries.{self.outcome}{variant}": each("entries.*", UNDONE, FAILED),
    "file_types.{kind}": each("file_types.*", KINDS),
    "imports.hint_{label}": each("imports.hint_*", KEYS),
    "imports.{field}_too_long": each("imports.*_too_long", TEXTS, ("name",)),
    "imports.{field}_unusable": each("imports.*_unusable", TEXTS, ("name",)),
    "imports.{label}_taken": each("imports.*_taken", ("username", "email")),
    "names.{what}_nul": each("names.*_nul", ("name", "reason", "description")),
    "names.{what}_too_long": each("names.*_too_long", ("name", "reason", "description")),
    "rows.{column}_belongs": each("rows.*_belongs", TEXTS),
    "rows.{column}_unknown": each("rows.*_unknown", TEXTS),
    "{code}_earlier": each("*_earlier", TAKEN),
    "{code}_{name}": [f"{code}_{name}" for code in WITHOUT for name in OPTIONAL],
}
"""f-strings that are codes → the codes that they can become."""

STORED_BY_EARLIER_VERSIONS = {"common.text"}
MADE_FOR_THE_READER = {"subject", "quest", "quest_before", "member"}
"""Values of an audit sentence that are looked up when it is read."""


class Use(NamedTuple):
    """A call with a code, and the names of the values that it gives; None if they are not written out there."""

    place: str
    codes: list[str]
    given: set[str] | None


def trees() -> Iterator[tuple[str, ast.Module]]:
    for file in FILES:
        yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))


def template_of(node: ast.expr) -> str:
    """Return an f-string without its quotation marks."""
    return ast.unparse(node)[2:-1]


def codes_of(node: ast.expr) -> list[str]:
    """Return the codes that an expression can be; none if it is no code."""
    match node:
        case ast.Constant(value=str(value)):
            return [value] if value in catalogue() else []
        case ast.JoinedStr():
            return BUILT.get(template_of(node), [])
        case ast.IfExp():
            return codes_of(node.body) + codes_of(node.orelse)
    return []


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def given_by(call: ast.Call) -> set[str] | None:
    """Return the names of a call's keywords, or of the dict that `Message` takes; None if some are not written out."""
    names = [keyword.arg for keyword in call.keywords]
    if called(call) == "Message" and len(call.args) > 1:
        if not isinstance(call.args[1], ast.Dict):
            return None
        names += [key.value if isinstance(key, ast.Constant) else None for key in call.args[1].keys]
    return None if None in names else {str(name) for name in names}


def uses() -> Iterator[Use]:
    """Yield each call that makes a message or an error with a code."""
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args:
                maker = called(node)
                makes = maker in ("message", "Message", "__init__") or maker.endswith("Error")
                if makes and (codes := codes_of(node.args[0])):
                    yield Use(f"{file}:{node.lineno}", codes, given_by(node))


def written_actions() -> Iterator[tuple[str, str, set[str] | None]]:
    """Yield each call of `audit_log.write` with an action that is written out."""
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("audit_log.write"):
                match node.args[1]:
                    case ast.Constant(value=str(verb)):
                        yield f"{file}:{node.lineno}", verb, given_by(node)


def required(text: str) -> set[str]:
    """Return the names of the values without which a text can't be filled."""
    return names_in(re.sub(r"\[[^]]*\]", "", text))


@pytest.fixture(scope="module")
def other_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names that look like codes: columns, endpoints, events, and actions of the audit log."""
    app = create_app(settings_for("", tmp_path_factory.mktemp("data")))
    columns = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.c
    }
    return columns | set(app.view_functions) | ACTIONS.keys() | set(WebhookEvent)


def test_every_code_has_a_text(other_names: set[str]) -> None:
    known = catalogue().keys() | other_names | set(WITHOUT)
    unknown = {
        f"{file}:{node.lineno} {node.value}"
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and CODE.fullmatch(node.value)
        and not node.value.endswith("_")  # the beginning of an f-string
        and node.value not in known
    }
    assert unknown == set()
    assert {code for codes in BUILT.values() for code in codes} - catalogue().keys() == set()


def test_every_code_that_is_built_is_listed() -> None:
    built = {
        template_of(node)
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        and re.match(rf"({SECTIONS})\.|\{{code\}}_", template_of(node))
    }
    assert built == BUILT.keys()


def test_every_text_is_used() -> None:
    written = {
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    used = written.union(*BUILT.values()) | STORED_BY_EARLIER_VERSIONS
    assert catalogue().keys() - used == set()


def test_every_use_gives_the_values_of_its_text() -> None:
    """A value in brackets may be missing at one use, but not at all of them."""
    found = list(uses())
    assert len(found) > 250
    missing = [
        (use.place, code, lacking)
        for use in found
        for code in use.codes
        if use.given is not None and (lacking := required(catalogue()[code]) - use.given)
    ]
    assert missing == []
    given: defaultdict[str, set[str]] = defaultdict(set)
    for use in found:
        for code in use.codes:
            given[code] |= names_in(catalogue()[code]) if use.given is None else use.given
    assert [code for code in given if names_in(catalogue()[code]) - given[code]] == []


def test_no_use_gives_a_value_that_its_texts_lack() -> None:
    """`note` belongs to the error, not to its sentence."""
    extra = [
        (use.place, use.codes, more)
        for use in uses()
        if (more := (use.given or set()) - {"note"} - set().union(*map(names, use.codes)))
    ]
    assert extra == []


def names(code: str) -> set[str]:
    return names_in(catalogue()[code])


def test_every_action_is_written_somewhere_and_has_a_sentence() -> None:
    written = {
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert ACTIONS.keys() - written == set()
    assert {verb for _, verb, _ in written_actions()} - ACTIONS.keys() == set()


def test_every_entry_of_the_audit_log_has_the_values_of_its_sentence() -> None:
    found = list(written_actions())
    assert len(found) > 50
    missing = [
        (place, verb, lacking)
        for place, verb, given in found
        if given is not None
        and (lacking := required(ACTIONS[verb][1]) - given - MADE_FOR_THE_READER)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "text",
    [*catalogue().values(), *(sentence for _, sentence in ACTIONS.values())],
)
def test_a_text_is_well_formed(text: str) -> None:
    """It has names, nouns and brackets as `webapp.messages` reads them, and typographic quotation marks."""
    for literal, name, spec, conversion in Formatter().parse(text):
        assert not {"{", "}"} & set(literal)
        if name is not None:
            assert name.isidentifier()
            assert conversion is None
            assert re.fullmatch(r"|=[a-z' ]+\|[a-z' ]+|[a-z' ]+(\|[a-z' ]+)?", spec or "")
    outside = re.sub(r"\[([^][]*)\]", lambda part: "" if names_in(part[1]) else "[", text)
    assert not {"[", "]"} & set(outside)
    assert not re.search(r"[\"‘]|  |\.\.\.|^\s|\s$", text)
