"""Create and update members by ID; never delete them (D-4)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy.exc import IntegrityError

from webapp.database import db
from webapp.domain import dates
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.csv_files import shown
from webapp.domain.csv_files.cell_checks import invisible
from webapp.domain.csv_files.cell_values import usable_email
from webapp.domain.csv_files.spreadsheet_hints import hint, shortened
from webapp.domain.imports import planner, upsert
from webapp.domain.imports.hash_table import HashTable
from webapp.domain.imports.plain_rows import STATUSES
from webapp.domain.imports.plan import Change, DryRunState, ImportRow, Plan, RowError, ValidRow
from webapp.domain.imports.planner import Postpone
from webapp.domain.labels import REORDERING
from webapp.domain.normalization import fold, is_visible
from webapp.messages import Message, message
from webapp.models import Member

CHUNK = 2_000  # rows per set of statements
TRIES = 3  # of a chunk whose usernames or emails are taken concurrently
KEPT_PROBLEMS = 1_000
MOST_POSTPONED = 10_000  # rows that wait for later ones; they are processed together at the end

UNKEEPABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
ID_LENGTH = 190
EMAIL_LENGTH, EMAIL_KEY_LENGTH = 320, 960
NAME_LENGTH, NAME_KEY_LENGTH = 190, 570

OPTIONAL = ("email", "name", "joined", "status")
"""Fields that members can be imported without."""


@dataclass
class ImportProgress:
    """Progress of an import. `faults` has the errors of the first skipped rows by line; `bad` counts all of them.

    With `imagined` it is a dry run: nothing is written. The first `examples` changes of each kind are kept. With
    `strict`, an invalid optional field is an error rather than a warning.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    bad: int = 0
    faults: dict[int, list[RowError]] = field(default_factory=dict)
    warned: int = 0
    warnings: dict[int, list[RowError]] = field(default_factory=dict)  # of the first rows with any
    without: Counter[str] = field(default_factory=Counter)  # rows imported without this field
    seen: HashTable = field(default_factory=HashTable)  # IDs
    postponed: list[ValidRow] = field(default_factory=list)  # for `import_postponed`
    awaited: set[str] = field(default_factory=set)  # IDs of all postponed rows
    outcomes: dict[int, str] | None = None  # created, updated or unchanged, by line, if requested
    imagined: DryRunState | None = None
    strict: bool = False
    examples: int = 0
    changes: list[Change] = field(default_factory=list)

    def may_come(self, external_id: str) -> bool:
        """True if a row that isn't processed yet may change the member with this ID."""
        return external_id not in self.seen or external_id in self.awaited

    def leave_out(self, line: int, faults: list[RowError]) -> None:
        """Count a skipped row; keep the errors of the first thousand."""
        self.bad += 1
        if len(self.faults) < KEPT_PROBLEMS:
            self.faults[line] = faults

    def warn(self, line: int, warnings: list[RowError]) -> None:
        """Count an imported row that has warnings; keep the warnings of the first thousand."""
        self.warned += 1
        self.without.update({warning.field for warning in warnings if warning.lost})
        if len(self.warnings) < KEPT_PROBLEMS:
            self.warnings[line] = warnings

    @property
    def problems(self) -> list[tuple[int, list[Message]]]:
        """Return the stored errors of skipped rows, by line."""
        return _messages(self.faults)

    @property
    def notes(self) -> list[tuple[int, list[Message]]]:
        """Return the stored warnings of imported rows, by line."""
        return _messages(self.warnings)

    @property
    def remarks(self) -> list[Message]:
        """Describe how many members were imported without a field."""
        return remarks(self.without, dry=self.imagined is not None)

    def take(self, plan: Plan) -> None:
        """Add the results of a chunk."""
        for change in plan.changes:
            number = self.updated if change.before else self.created
            if number < self.examples:
                self.changes.append(change)
            if change.before:
                self.updated += 1
            else:
                self.created += 1
        for row in plan.new[: max(0, self.examples - self.created)]:
            self.changes.append(Change(row.line, None, planner.merged(row, None)))
        self.created += len(plan.new)
        self.unchanged += plan.unchanged
        if self.outcomes is not None:
            self.outcomes |= plan.outcomes
        for line, faults in plan.problems.items():
            self.leave_out(line, faults)
        for line, warnings in plan.warnings.items():
            self.warn(line, warnings)
        if self.imagined is not None:
            self.imagined.note(plan)


def remarks(without: Mapping[str, int], *, dry: bool = False) -> list[Message]:
    """Return a message per field that members were imported without, or would be in a dry run."""
    code = "imports.would_lack" if dry else "imports.without"
    return [
        message(f"{code}_{name}", rows=number)
        for name, number in without.items()
        if name in OPTIONAL and number
    ]


def _messages(faults: dict[int, list[RowError]]) -> list[tuple[int, list[Message]]]:
    return [(line, [fault.message for fault in found]) for line, found in sorted(faults.items())]


def import_rows(
    rows: Iterable[ImportRow | ValidRow], actor: Actor, done: ImportProgress | None = None
) -> ImportProgress:
    """Create and update members by ID, in chunks with a fixed number of statements. Idempotent.

    Every import of members uses this function. It skips rows with errors and continues: an ID or username that is too
    long, a username of another member, a repeated ID. Other invalid fields are ignored with a warning. `done` continues
    an import from an earlier transaction. Rows that depend on later ones are postponed: after the last row, call
    `import_postponed`, then `record_import`.
    """
    done = done if done is not None else ImportProgress()
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        sound = list(valid_rows(chunk, done))
        waits = len(done.awaited) + len(sound) <= MOST_POSTPONED
        plan = _carry_out(sound, actor, done, done.may_come if waits else None)
        if plan.postponed:
            postponed = [row for row in sound if row.line in plan.postponed]
            done.postponed += postponed
            done.awaited |= {row.external_id for row in postponed}
    return done


def import_postponed(actor: Actor, done: ImportProgress) -> ImportProgress:
    """Import the postponed rows together. Call it after a file's last row."""
    rows, done.postponed, done.awaited = done.postponed, [], set()
    if rows:
        _carry_out(rows, actor, done, None)
    return done


def import_again(rows: Iterable[ImportRow | ValidRow], actor: Actor, done: ImportProgress) -> None:
    """Import rows that were postponed in an earlier transaction and have been read again."""
    _carry_out(list(valid_rows(rows, done, again=True)), actor, done, None)


def _carry_out(
    rows: list[ValidRow], actor: Actor, done: ImportProgress, postpone: Postpone | None
) -> Plan:
    if done.imagined is not None:
        plan = planner.plan(rows, done.imagined, postpone, strict=done.strict)
    else:
        plan = _write_new(rows, actor, done) or _write(rows, actor, postpone, done.strict)
    done.take(plan)
    return plan


def _write_new(rows: list[ValidRow], actor: Actor, done: ImportProgress) -> Plan | None:
    """Write a chunk of new members without looking for existing ones; None if there is any.

    It saves three searches per row, and is tried as long as the file has contained only new members.
    """
    if not done.created or done.updated or done.unchanged or not (made := planner.plan_new(rows)):
        return None
    with suppress(IntegrityError), db.session.begin_nested():
        upsert.write_new(made, actor)
        return made
    return None


def _write(rows: list[ValidRow], actor: Actor, postpone: Postpone | None, strict: bool) -> Plan:
    """Write a chunk; retry if its usernames or emails are taken concurrently."""
    for _ in range(TRIES - 1):
        with suppress(IntegrityError), db.session.begin_nested():
            return upsert.write(rows, actor, postpone, strict=strict)
    return upsert.write(rows, actor, postpone, strict=strict)


def record_import(done: ImportProgress, actor: Actor) -> None:
    """Write one audit log entry for a finished import."""
    audit_log.write(
        actor,
        "members.imported",
        "members",
        created=done.created,
        updated=done.updated,
        unchanged=done.unchanged,
        left_out=done.bad,
    )


def record_saved(member: Member, done: ImportProgress, actor: Actor) -> None:
    """Record that a single member was created or changed, without the values, because members can be erased."""
    if done.created:
        audit_log.write(actor, "member.created", "member", member.id)
    elif done.updated:
        audit_log.write(actor, "member.changed", "member", member.id)


def valid_rows(
    chunk: Iterable[ImportRow | ValidRow], done: ImportProgress, *, again: bool = False
) -> Iterator[ValidRow]:
    """Yield valid rows with their usable fields; skip the others with a reason.

    A repeated ID is such a reason, unless the rows are checked `again`.
    """
    for row in chunk:
        sound = row if isinstance(row, ValidRow) else _validate(row, done.strict)
        if isinstance(sound, ValidRow) and not again and not done.seen.put(sound.external_id):
            again_in_file = message("imports.id_twice", id=shown(sound.external_id))
            twice = RowError("external_id", again_in_file)
            sound = [next((doubt for doubt in sound.doubts if doubt.field == twice.field), twice)]
        if isinstance(sound, ValidRow):
            yield sound
        else:
            done.leave_out(row.line, sound)


def _validate(row: ImportRow, strict: bool) -> ValidRow | list[RowError]:
    """Return the usable part of a row, or why it can't be imported; at most one message per field."""
    if row.problem:
        return [RowError("", row.problem)]
    external_id = row.external_id.strip()
    username, email, name = row.username.strip(), row.email.strip(), row.name.strip()
    together = f"{external_id}{username}{email}{name}"
    plain = together.isascii() and together.isprintable()  # the usual case
    if not plain:
        username = REORDERING.sub("", username).strip()
        name = REORDERING.sub("", UNKEEPABLE.sub(" ", name)).strip()
    faults = list(_faults(external_id, username, plain))
    joined = dates.parse_moment(row.joined) if row.joined else None
    lost = list(_ignored_fields(row, email, name, joined, plain))
    if strict:
        faults += [fault._replace(lost=False) for fault in lost]
    if faults:
        return faults
    without = {fault.field for fault in lost}
    email, name = "" if "email" in without else email, "" if "name" in without else name
    warnings = [*row.warnings, *lost]
    if username and not plain and not is_visible(username):
        username = ""
        warnings.append(RowError("username", Message("imports.username_invisible")))
    return ValidRow(
        row.line,
        external_id,
        username,
        fold(username),
        email,
        fold(email),
        name,
        joined,
        STATUSES.get(row.status.strip().casefold()) if row.status else None,
        tuple(warnings),
        tuple(_doubts(external_id, username, strict)),
        tuple(_hints(external_id, username)),
        row.cleared,
    )


def _faults(external_id: str, username: str, plain: bool) -> Iterator[RowError]:
    """Yield errors of a row's ID and username that don't depend on other members."""
    if not external_id:
        yield RowError("external_id", Message("imports.id_missing"))
    elif problem := _unfit("id", external_id, ID_LENGTH, ID_LENGTH, plain):
        yield RowError("external_id", problem)
    elif not plain and (found := invisible(external_id)):
        yield RowError("external_id", message("imports.id_invisible", character=found))
    if problem := _unfit("username", username, NAME_LENGTH, NAME_KEY_LENGTH, plain):
        yield RowError("username", problem)


def _ignored_fields(
    row: ImportRow, email: str, name: str, joined: dates.ParsedMoment | None, plain: bool
) -> Iterator[RowError]:
    """Yield warnings for the optional fields that a row is imported without."""
    if email:
        problem = _unfit("email", email, EMAIL_LENGTH, EMAIL_KEY_LENGTH, plain)
        if not problem and not usable_email(email):
            problem = message("imports.not_an_email", value=shown(email))
        if problem:
            yield RowError("email", problem, lost=True)
    if row.name:
        problem = _unfit("name", name, NAME_LENGTH, NAME_KEY_LENGTH, plain)
        if not problem and not plain and not is_visible(name):
            problem = Message("imports.name_invisible")
        if problem and row.name.strip():
            yield RowError("name", problem, lost=True)
    if row.joined and joined is None:
        problem = message("imports.joined_invalid", value=shown(row.joined))
        yield RowError("joined", problem, lost=True)
    if row.status.strip() and row.status.strip().casefold() not in STATUSES:
        problem = message("imports.status_invalid", value=shown(row.status))
        yield RowError("status", problem, lost=True)


def _unfit(field: str, text: str, length: int, key_length: int, plain: bool) -> Message | None:
    if len(text) > length or (not plain and len(fold(text)) > key_length):
        return message(f"imports.{field}_too_long", length=len(text), limit=length)
    if not plain and UNKEEPABLE.search(text):
        return message(f"imports.{field}_unusable")
    return None


def _doubts(external_id: str, username: str, strict: bool) -> Iterator[RowError]:
    """Yield reasons not to create a member from these: a number shortened by a spreadsheet is not the original.

    A long ID that ends in zeros may be real: with `strict`, used when a system names a single member, it is accepted.
    """
    for name, label, text in _keys(external_id, username):
        if len(text) > 4 and text[0].isdigit() and not (text.isalnum() and len(text) < 17):
            whole = strict and text.isdigit()
            if not whole and shortened(text):
                yield RowError(name, message(f"csv_files.shortened_{label}", value=shown(text)))


def _keys(external_id: str, username: str) -> tuple[tuple[str, str, str], ...]:
    return (("external_id", "id", external_id), ("username", "username", username))


def _hints(external_id: str, username: str) -> Iterator[RowError]:
    """Yield hints that a spreadsheet may have changed an ID or username, before a member is created or renamed."""
    for name, label, text in _keys(external_id, username):
        if not text.isalnum() and (found := hint(text)) and found.kind != "shortened":
            yield RowError(name, message(f"imports.hint_{label}", hint=found.message(text)))
