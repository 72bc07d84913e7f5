"""Events of activity out of a CSV file: its columns, its rows, and what becomes of each (T-1)."""

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

NAME = re.compile(r"[A-Za-z0-9_.:\-]{1,60}")
NUMBER = re.compile(r"[+-]?([0-9]{1,10}|[0-9]{1,3}(,[0-9]{3}){1,3})")
LARGEST = 1_000_000_000
LONGEST_ID = 190
KEPT_PROBLEMS = 1_000
CHUNK = 1_000  # rows of a file on the command line that share a transaction
MOST_ROWS = 5_000  # of a file that is given to the page

COLUMNS = {
    "event": ("Event ID", ("eventid", "event")),
    "activity": ("Activity", ("activity", "activityname")),
    "amount": ("Amount", ("amount", "count", "number")),
    "at": ("At", ("at", "date", "time", "when", "timestamp")),
}
"""What is read beside the member's own columns: how it is called in sentences, and in files."""


@dataclass
class Counted:
    """What a file did so far. `problems` are (line, sentence) of the first rows left out, `bad` counts all."""

    counted: int = 0
    repeated: int = 0
    bad: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    warned: int = 0
    notes: list[tuple[int, str]] = field(default_factory=list)
    undated: int = 0
    of_file: list[str] = field(default_factory=list)

    @property
    def remarks(self) -> list[str]:
        if not self.undated:
            return self.of_file
        events = "1 event has" if self.undated == 1 else f"{self.undated:,} events have"
        return [*self.of_file, f"{events} no certain date and counted as of now."]

    def warn(self, line: int, sentence: str) -> None:
        """Count a row that was taken with something to look at, and keep the sentence of the first thousand."""
        self.warned += 1
        if len(self.notes) < KEPT_PROBLEMS:
            self.notes.append((line, sentence))

    def leave_out(self, line: int, sentence: str) -> None:
        self.bad += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append((line, sentence))


def places(shape: Shape) -> dict[str, int]:
    place_of = {name: shape.place_of(*called) for name, (_, called) in COLUMNS.items()}
    for name in ("event", "activity"):
        if place_of[name] is None:
            raise DomainError(
                f"The file has no column {COLUMNS[name][0]}. It needs Event ID, Activity and at least one of ID, "
                "Username, Registered email; Amount and At may stand beside them."
            )
    return {name: place for name, place in place_of.items() if place is not None}


def take(rows: list[Row], columns: dict[str, int], actor: Actor, done: Counted) -> None:
    """Counts the events of some rows, each once for its id, in a few statements; the others are left out with a reason.

    Said again with the same rows, all are repeated.
    """
    lines = identify.identify(rows)
    events: dict[str, ActivityEventIn] = {}
    for row, line in zip(rows, lines, strict=True):
        if line.member_id is None:
            done.leave_out(row.line, line.message)
            continue
        try:
            event, undated = _event(row, columns, line.member_id, actor)
        except DomainError as refusal:
            done.leave_out(row.line, refusal.message)
            continue
        done.undated += bool(undated)
        if warning := " ".join(filter(None, (undated, row.warning))):
            done.warn(row.line, warning)
        if event.event_id in events:
            done.repeated += 1
        else:
            events[event.event_id] = event
    fresh = counters.record_events(list(events.values()), actor)
    done.counted += len(fresh)
    done.repeated += len(events) - len(fresh)


def record_import(done: Counted, actor: Actor) -> None:
    """Records a file that was counted: one row for the act."""
    report = {"counted": done.counted, "repeated": done.repeated, "left_out": done.bad}
    audit_log.write(actor, "activities.imported", "activities", **report)


def count_file(data: bytes, actor: Actor) -> Counted:
    """Counts the events of a file that was given to the page, all in one; the same file again counts nothing.

    Raises DomainError for a file that can't be read to its end, lacks a column or has too many rows: then none is
    counted.
    """
    sheet = stream(io.BytesIO(data))
    columns = places(sheet.shape)
    rows = list(islice(sheet.rows, MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise DomainError(
            f"The file has more than {MOST_ROWS:,} rows. Larger files are for whoever runs Laurel: "
            "“laurel activities import FILE” takes any; so does the API."
        )
    if not rows:
        raise DomainError(
            "The file has no data rows below the header. Write one row for each event."
        )
    done = Counted(of_file=sheet.remarks)
    take(
        rows, columns, actor, done
    )  # all at once: two files at the same moment lock their rows in one order
    record_import(done, actor)
    return done


def _event(
    row: Row, columns: dict[str, int], member_id: int, actor: Actor
) -> tuple[ActivityEventIn, str]:
    """The event of a row, and a warning if it has no certain date;
    raises DomainError for a row that can't be counted.
    """
    texts = {name: _cell(row.cells, place) for name, place in columns.items()}
    event = texts["event"]
    if not event or len(event) > LONGEST_ID or not event.isprintable():
        raise DomainError(
            f"The Event ID is {'missing' if not event else 'too long, or can not be kept'}: by it "
            "an event counts once."
        )
    if not NAME.fullmatch(texts["activity"].replace(" ", "_")):
        raise DomainError(
            f"“{shown(texts['activity'])}” is no name of an activity: letters a to z, digits and "
            "_ . : -, up to 60 characters."
        )
    amount = texts.get("amount", "") or "1"
    plain = amount.replace(",", "")
    if not NUMBER.fullmatch(amount) or not -LARGEST <= int(plain) <= LARGEST:
        raise DomainError(f"Amount: “{shown(amount)}” is no whole number.")
    written = texts.get("at", "")
    at = dates.parse_moment(written) if written else None
    undated = ""
    if written and at is None:
        undated = f"At: “{shown(written)}” is not a certain date; the event counts as of now."
    name = texts["activity"].replace(" ", "_")
    return ActivityEventIn(event, member_id, name, int(plain), at.at if at else actor.at), undated


def _cell(cells: list[str], place: int) -> str:
    return clean(cells[place]) if place < len(cells) else ""
