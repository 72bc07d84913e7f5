"""Import activity events from a CSV file (T-1)."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from itertools import islice

from webapp.domain import dates
from webapp.domain.activities import counters
from webapp.domain.activities.counters import ActivityEventIn
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.csv_files import Row, shown
from webapp.domain.csv_files.cell_values import clean
from webapp.domain.csv_files.shape import Shape
from webapp.domain.csv_files.streaming import stream
from webapp.domain.errors import DomainError
from webapp.domain.members import identify
from webapp.messages import Message, message

NAME = re.compile(r"[A-Za-z0-9_.:\-]{1,60}")
NUMBER = re.compile(r"[+-]?([0-9]{1,10}|[0-9]{1,3}(,[0-9]{3}){1,3})")
LARGEST = 1_000_000_000
LONGEST_ID = 190
KEPT_PROBLEMS = 1_000
CHUNK = 1_000  # rows per transaction on the command line
MOST_ROWS = 5_000  # rows of an uploaded file

COLUMNS = {
    "event": ("Event ID", ("eventid", "event")),
    "activity": ("Activity", ("activity", "activityname")),
    "amount": ("Amount", ("amount", "count", "number")),
    "at": ("At", ("at", "date", "time", "when", "timestamp")),
}
"""Columns read besides those that identify the member: label and recognized headers."""


@dataclass
class ImportResult:
    """Result so far. `problems` are (line, sentence) of the first skipped rows; `bad` counts all of them."""

    counted: int = 0
    repeated: int = 0
    bad: int = 0
    problems: list[tuple[int, list[Message]]] = field(default_factory=list)
    warned: int = 0
    notes: list[tuple[int, list[Message]]] = field(default_factory=list)
    undated: int = 0
    of_file: list[Message] = field(default_factory=list)

    @property
    def remarks(self) -> list[Message]:
        if not self.undated:
            return self.of_file
        return [*self.of_file, message("activities.undated_events", events=self.undated)]

    def warn(self, line: int, messages: list[Message]) -> None:
        """Count an imported row that has warnings; keep the first thousand warnings."""
        self.warned += 1
        if len(self.notes) < KEPT_PROBLEMS:
            self.notes.append((line, messages))

    def leave_out(self, line: int, *messages: Message) -> None:
        self.bad += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append((line, list(messages)))


def places(shape: Shape) -> dict[str, int]:
    place_of = {name: shape.place_of(*called) for name, (_, called) in COLUMNS.items()}
    for name in ("event", "activity"):
        if place_of[name] is None:
            raise DomainError("activities.missing_column", column=COLUMNS[name][0])
    return {name: place for name, place in place_of.items() if place is not None}


def take(rows: list[Row], columns: dict[str, int], actor: Actor, done: ImportResult) -> None:
    """Count the events of some rows, each ID once, in a fixed number of statements; skip invalid rows with a reason.

    Repeating it with the same rows counts nothing.
    """
    lines = identify.identify(rows)
    events: dict[str, ActivityEventIn] = {}
    for row, line in zip(rows, lines, strict=True):
        if line.member_id is None:
            done.leave_out(row.line, *filter(None, [line.message]))
            continue
        try:
            event, undated = _event(row, columns, line.member_id, actor)
        except DomainError as refusal:
            done.leave_out(row.line, refusal.text)
            continue
        done.undated += bool(undated)
        if warnings := [*filter(None, [undated]), *row.warnings]:
            done.warn(row.line, warnings)
        if event.event_id in events:
            done.repeated += 1
        else:
            events[event.event_id] = event
    fresh = counters.record_events(list(events.values()), actor)
    done.counted += len(fresh)
    done.repeated += len(events) - len(fresh)


def record_import(done: ImportResult, actor: Actor) -> None:
    """Write one audit log entry for the whole file."""
    report = {"counted": done.counted, "repeated": done.repeated, "left_out": done.bad}
    audit_log.write(actor, "activities.imported", "activities", **report)


def count_file(data: bytes, actor: Actor) -> ImportResult:
    """Count the events of an uploaded file in one transaction; the same file again counts nothing.

    Raises DomainError, counting nothing, if the file can't be read to its end, lacks a column or has too many rows.
    """
    sheet = stream(io.BytesIO(data))
    columns = places(sheet.shape)
    rows = list(islice(sheet.rows, MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise DomainError("activities.too_many_rows", limit=MOST_ROWS)
    if not rows:
        raise DomainError("activities.no_rows")
    done = ImportResult(of_file=sheet.remarks)
    take(rows, columns, actor, done)  # all at once, so that concurrent files can't deadlock
    record_import(done, actor)
    return done


def _event(
    row: Row, columns: dict[str, int], member_id: int, actor: Actor
) -> tuple[ActivityEventIn, Message | None]:
    """Return a row's event, and a warning if its date is ambiguous. Raises DomainError if it can't be counted."""
    texts = {name: _cell(row.cells, place) for name, place in columns.items()}
    event = texts["event"]
    if not event or len(event) > LONGEST_ID or not event.isprintable():
        code = "activities.event_id_invalid" if event else "activities.event_id_missing"
        raise DomainError(code)
    if not NAME.fullmatch(texts["activity"].replace(" ", "_")):
        raise DomainError("activities.activity_invalid", activity=shown(texts["activity"]))
    amount = texts.get("amount", "") or "1"
    plain = amount.replace(",", "")
    if not NUMBER.fullmatch(amount) or not -LARGEST <= int(plain) <= LARGEST:
        raise DomainError("activities.amount_invalid", amount=shown(amount))
    written = texts.get("at", "")
    at = dates.parse_moment(written) if written else None
    undated = None

    if written and at is None:
        undated = message("activities.undated", date=shown(written))
    name = texts["activity"].replace(" ", "_")
    return ActivityEventIn(event, member_id, name, int(plain), at.at if at else actor.at), undated


def _cell(cells: list[str], place: int) -> str:
    return clean(cells[place]) if place < len(cells) else ""
