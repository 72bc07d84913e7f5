"""Members come in: created and updated by ID, never deleted (D-4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy.exc import IntegrityError

from webapp.database import db
from webapp.domain import days, merging, record
from webapp.domain.act import Act
from webapp.domain.keys import fold
from webapp.domain.merging import Change, Fault, Imagined, Incoming, Plan
from webapp.domain.spreadsheets import shown
from webapp.domain.spreadsheets.text import invisible

CHUNK = 2_000  # rows that share their statements
TRIES = 3  # of a chunk whose usernames or emails somebody else takes at the same moment
KEPT_PROBLEMS = 1_000

EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
UNKEEPABLE = re.compile("[\x00\r\n\t\ud800-\udfff]")

# Field, what a sentence calls it, the length of its column and of its key's.
FIELDS = (
    ("external_id", "ID", 190, 190),
    ("username", "username", 190, 570),
    ("email", "email", 320, 960),
    ("name", "name", 190, 190),
)


@dataclass
class Imported:
    """What an import did so far. `faults` has what is wrong with the first rows left out, by line; `bad` counts all.

    With `imagined` it is a dry run: nothing is written. Of the changes the first `examples` of each kind are kept.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    bad: int = 0
    faults: dict[int, list[Fault]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)  # hashes of IDs: a million must fit in memory
    outcomes: dict[int, str] | None = (
        None  # created, updated or unchanged, by line, where it is asked for
    )
    imagined: Imagined | None = None
    examples: int = 0
    changes: list[Change] = field(default_factory=list)

    def leave_out(self, line: int, faults: list[Fault]) -> None:
        """Counts a row that can't be taken, and keeps the reasons of the first thousand."""
        self.bad += 1
        if len(self.faults) < KEPT_PROBLEMS:
            self.faults[line] = faults

    @property
    def problems(self) -> list[tuple[int, str]]:
        """The rows whose reasons were kept, by line, each with its sentences."""
        return [
            (line, " ".join(fault.sentence for fault in faults))
            for line, faults in self.faults.items()
        ]

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


def import_rows(rows: Iterable[Incoming], act: Act, done: Imported | None = None) -> Imported:
    """Creates and updates members by ID, a chunk at a time with a fixed number of statements; again, changes nothing.

    The one way in: of the page, the command line and whatever else brings members. A row that can't be taken is left
    out with a sentence and stops nothing: a field too long, a username or email that belongs to another member, an ID
    that came before. `done` goes on with an import begun in an earlier transaction; `record_import` ends it.
    """
    done = done if done is not None else Imported()
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        sound = list(sound_rows(chunk, done))
        if done.imagined is not None:
            done.take(merging.plan(sound, done.imagined))
        else:
            done.take(_write(sound, act))
    return done


def _write(rows: list[Incoming], act: Act) -> Plan:
    """Writes a chunk, looking again where somebody takes one of its usernames or emails at the same moment."""
    for _ in range(TRIES - 1):
        with suppress(IntegrityError), db.session.begin_nested():
            return merging.write(rows, act)
    return merging.write(rows, act)


def record_import(done: Imported, act: Act) -> None:
    """Records a finished import: one row for the act."""
    record.write(
        act,
        "members.imported",
        "members",
        created=done.created,
        updated=done.updated,
        unchanged=done.unchanged,
        left_out=done.bad,
    )


def sound_rows(chunk: list[Incoming], done: Imported) -> Iterator[Incoming]:
    """The rows of a chunk that are fit to be looked up, trimmed; the others are left out with their reason."""
    for row in chunk:
        row = Incoming(row.line, *(text.strip() for text in row[1:]))
        faults = [Fault("", row.problem)] if row.problem else _faults(row)
        if not faults and hash(row.external_id) in done.seen:
            sentence = (
                f"The ID {shown(row.external_id)} is in an earlier row; the first one counts."
            )
            faults = [Fault("external_id", sentence)]
        if faults:
            done.leave_out(row.line, faults)
            continue
        done.seen.add(hash(row.external_id))
        yield row


def _faults(row: Incoming) -> list[Fault]:
    """What is wrong with a row as it stands, whoever else there is; at most one sentence for each field."""
    found = [] if row.external_id else [Fault("external_id", "The ID is missing.")]
    for name, label, length, key_length in FIELDS:
        text = getattr(row, name)
        if text.isascii() and text.isprintable() and len(text) <= length:
            continue  # as nearly all are: the rest is looked at closely
        if sentence := _unfit(text, label, length, key_length):
            found.append(Fault(name, sentence))
    if (
        row.email
        and not EMAIL.fullmatch(row.email)
        and not any(one.field == "email" for one in found)
    ):
        found.append(Fault("email", f"“{shown(row.email)}” is not an email address."))
    if row.joined and days.given(row.joined) is None:
        sentence = f"Joined: “{shown(row.joined)}” is not a day. Write a day like 2026-11-22."
        found.append(Fault("joined", sentence))
    return found


def _unfit(text: str, label: str, length: int, key_length: int) -> str:
    if len(text) > length or len(fold(text)) > key_length:
        return f"The {label} has {len(text):,} characters; at most {length} can be kept."
    if UNKEEPABLE.search(text):
        return f"The {label} has a line break or another character that can't be kept."
    if found := invisible(text):
        return f"The {label} contains a character that cannot be seen: {found}. Delete it."
    return ""
