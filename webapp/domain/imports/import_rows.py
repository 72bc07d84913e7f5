"""Members come in: created and updated by ID, never deleted (D-4)."""

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
from webapp.domain.imports.plan import Change, DryRunState, ImportRow, Plan, RowError, Sound
from webapp.domain.imports.planner import Postpone
from webapp.domain.labels import REORDERING
from webapp.domain.normalization import fold, is_visible
from webapp.messages import Message, message
from webapp.models import Member
from webapp.models.member import ASSIGNABLE_STATUSES

CHUNK = 2_000  # rows that share their statements
TRIES = 3  # of a chunk whose usernames or emails somebody else takes at the same moment
KEPT_PROBLEMS = 1_000
MOST_POSTPONED = (
    10_000  # rows that wait for later ones; they are dealt with together, after the last
)

UNKEEPABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
STATUSES = {str(status): status for status in ASSIGNABLE_STATUSES}
ID_LENGTH = 190
EMAIL_LENGTH, EMAIL_KEY_LENGTH = 320, 960
NAME_LENGTH, NAME_KEY_LENGTH = 190, 570

OPTIONAL = ("email", "name", "joined", "status")
"""The fields that members can be imported without."""


@dataclass
class ImportProgress:
    """What an import did so far. `faults` has what is wrong with the first rows left out, by line; `bad` counts all.

    With `imagined` it is a dry run: nothing is written. Of the changes the first `examples` of each kind are kept. With
    `strict` nothing of a row is left out: what can't be taken of it is an error.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    bad: int = 0
    faults: dict[int, list[RowError]] = field(default_factory=dict)
    warned: int = 0
    warnings: dict[int, list[RowError]] = field(default_factory=dict)  # of the first rows with any
    without: Counter[str] = field(default_factory=Counter)  # rows imported without a field
    seen: set[int] = field(default_factory=set)  # hashes of IDs: a million must fit in memory
    postponed: list[Sound] = field(default_factory=list)  # rows for `import_postponed`
    awaited: set[str] = field(default_factory=set)  # the IDs of all rows that were postponed
    outcomes: dict[int, str] | None = (
        None  # created, updated or unchanged, by line, where it is asked for
    )
    imagined: DryRunState | None = None
    strict: bool = False
    examples: int = 0
    changes: list[Change] = field(default_factory=list)

    def may_come(self, external_id: str) -> bool:
        """Return whether a row that is still to be dealt with may change the member with this ID."""
        return hash(external_id) not in self.seen or external_id in self.awaited

    def leave_out(self, line: int, faults: list[RowError]) -> None:
        """Counts a row that can't be taken, and keeps the reasons of the first thousand."""
        self.bad += 1
        if len(self.faults) < KEPT_PROBLEMS:
            self.faults[line] = faults

    def warn(self, line: int, warnings: list[RowError]) -> None:
        """Count a row that was taken with something to look at, and keep the sentences of the first thousand."""
        self.warned += 1
        self.without.update({one.field for one in warnings if one.lost})
        if len(self.warnings) < KEPT_PROBLEMS:
            self.warnings[line] = warnings

    @property
    def problems(self) -> list[tuple[int, list[Message]]]:
        """Why rows were left out, by line, as far as it was kept."""
        return _messages(self.faults)

    @property
    def notes(self) -> list[tuple[int, list[Message]]]:
        """The warnings of rows that were taken, by line, as far as they were kept."""
        return _messages(self.warnings)

    @property
    def remarks(self) -> list[Message]:
        """How many members were imported without a field."""
        return remarks(self.without, dry=self.imagined is not None)

    def take(self, plan: Plan) -> None:
        """Counts what a chunk did."""
        for change in plan.changes:
            number = self.updated if change.before else self.created
            if number < self.examples:
                self.changes.append(change)
            if change.before:
                self.updated += 1
            else:
                self.created += 1
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
    """Return a message for each field that members were imported without, or in a dry run would be."""
    code = "imports.would_lack" if dry else "imports.without"
    return [
        message(f"{code}_{name}", rows=number)
        for name, number in without.items()
        if name in OPTIONAL and number
    ]


def _messages(faults: dict[int, list[RowError]]) -> list[tuple[int, list[Message]]]:
    return [(line, [fault.message for fault in found]) for line, found in sorted(faults.items())]


def import_rows(
    rows: Iterable[ImportRow], actor: Actor, done: ImportProgress | None = None
) -> ImportProgress:
    """Creates and updates members by ID, a chunk at a time with a fixed number of statements; again, changes nothing.

    The one way in: of the page, the command line and whatever else brings members. A row that can't be taken is left
    out with a sentence and stops nothing: an ID or username too long, a username that belongs to another member, an ID
    that came before. Any other field that can't be taken is left out alone, with a warning. `done` goes on with an
    import begun in an earlier transaction. Rows that later ones may make room for are postponed: after the last row
    call `import_postponed`, then `record_import`.
    """
    done = done if done is not None else ImportProgress()
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        sound = list(sound_rows(chunk, done))
        waits = len(done.awaited) + len(sound) <= MOST_POSTPONED
        plan = _carry_out(sound, actor, done, done.may_come if waits else None)
        postponed = [row for row in sound if row.line in plan.postponed]
        done.postponed += postponed
        done.awaited |= {row.external_id for row in postponed}
    return done


def import_postponed(actor: Actor, done: ImportProgress) -> ImportProgress:
    """Deal with the rows that waited for later ones, all together; call it after the last row of a file."""
    rows, done.postponed, done.awaited = done.postponed, [], set()
    if rows:
        _carry_out(rows, actor, done, None)
    return done


def import_again(rows: Iterable[ImportRow], actor: Actor, done: ImportProgress) -> None:
    """The same for rows that were postponed in an earlier transaction and read once more."""
    _carry_out(list(sound_rows(rows, done, again=True)), actor, done, None)


def _carry_out(
    rows: list[Sound], actor: Actor, done: ImportProgress, postpone: Postpone | None
) -> Plan:
    if done.imagined is not None:
        plan = planner.plan(rows, done.imagined, postpone, strict=done.strict)
    else:
        plan = _write(rows, actor, postpone, done.strict)
    done.take(plan)
    return plan


def _write(rows: list[Sound], actor: Actor, postpone: Postpone | None, strict: bool) -> Plan:
    """Writes a chunk, looking again where somebody takes one of its usernames or emails at the same moment."""
    for _ in range(TRIES - 1):
        with suppress(IntegrityError), db.session.begin_nested():
            return upsert.write(rows, actor, postpone, strict=strict)
    return upsert.write(rows, actor, postpone, strict=strict)


def record_import(done: ImportProgress, actor: Actor) -> None:
    """Records a finished import: one row for the act."""
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
    """Records that one member was added or changed by name: whom, and not what, as members are erased on request."""
    if done.created:
        audit_log.write(actor, "member.created", "member", member.id)
    elif done.updated:
        audit_log.write(actor, "member.changed", "member", member.id)


def sound_rows(
    chunk: Iterable[ImportRow], done: ImportProgress, *, again: bool = False
) -> Iterator[Sound]:
    """The rows that are fit to be looked up, with what of them can be kept; the others are left out with their reason.

    An ID that came before is such a reason, unless the rows are looked at `again`.
    """
    for row in chunk:
        sound = _sound(row, done.strict)
        if isinstance(sound, Sound) and not again:
            key = hash(sound.external_id)
            if key in done.seen:
                again_in_file = message("imports.id_twice", id=shown(sound.external_id))
                twice = RowError("external_id", again_in_file)
                sound = [next((one for one in sound.doubts if one.field == twice.field), twice)]
            done.seen.add(key)
        if isinstance(sound, Sound):
            yield sound
        else:
            done.leave_out(row.line, sound)


def _sound(row: ImportRow, strict: bool) -> Sound | list[RowError]:
    """What of a row can be kept, or why the row can't be taken; at most one sentence for each field."""
    if row.problem:
        return [RowError("", row.problem)]
    external_id = row.external_id.strip()
    username, email, name = row.username.strip(), row.email.strip(), row.name.strip()
    together = f"{external_id}{username}{email}{name}"
    plain = together.isascii() and together.isprintable()  # as nearly all are
    if not plain:
        username = REORDERING.sub("", username).strip()
        name = REORDERING.sub("", UNKEEPABLE.sub(" ", name)).strip()
    faults = list(_faults(external_id, username, plain))
    joined = dates.parse_moment(row.joined) if row.joined else None
    lost = list(_lost(row, email, name, joined, plain))
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
    return Sound(
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
    )


def _faults(external_id: str, username: str, plain: bool) -> Iterator[RowError]:
    """Why a row can't be taken, whoever else there is: what is wrong with its ID and its username."""
    if not external_id:
        yield RowError("external_id", Message("imports.id_missing"))
    elif problem := _unfit("id", external_id, ID_LENGTH, ID_LENGTH, plain):
        yield RowError("external_id", problem)
    elif not plain and (found := invisible(external_id)):
        yield RowError("external_id", message("imports.id_invisible", character=found))
    if problem := _unfit("username", username, NAME_LENGTH, NAME_KEY_LENGTH, plain):
        yield RowError("username", problem)


def _lost(
    row: ImportRow, email: str, name: str, joined: dates.ParsedMoment | None, plain: bool
) -> Iterator[RowError]:
    """What a row is imported without: the optional fields that can't be kept, or can't be read."""
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
    """Why no member may be created of these: a number that a spreadsheet shortened is not the one that was meant.

    An ID of many digits that ends in zeros may be a real one: `strict`, where a system names a single member, takes it.
    """
    for name, label, text in _keys(external_id, username):
        if len(text) > 4 and text[0].isdigit() and not (text.isalnum() and len(text) < 17):
            whole = strict and text.isdigit()
            if not whole and shortened(text):
                yield RowError(name, message(f"csv_files.shortened_{label}", value=shown(text)))


def _keys(external_id: str, username: str) -> tuple[tuple[str, str, str], ...]:
    return (("external_id", "id", external_id), ("username", "username", username))


def _hints(external_id: str, username: str) -> Iterator[RowError]:
    """What a spreadsheet may have made of an ID or a username, for whoever creates or renames a member by them."""
    for name, label, text in _keys(external_id, username):
        if not text.isalnum() and (found := hint(text)) and found.kind != "shortened":
            yield RowError(name, message(f"imports.hint_{label}", hint=found.message(text)))
