"""Import past awards from a CSV file (A-16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.awards.bulk import AwardItem, Pair, Status, award_items, date_in
from webapp.domain.badges.quest_names import QuestNames
from webapp.domain.csv_files import Row
from webapp.domain.csv_files.cell_values import clean
from webapp.domain.csv_files.shape import Shape
from webapp.domain.errors import DomainError
from webapp.messages import Message, message
from webapp.models import AwardSource

CHUNK = 1_000  # rows per transaction
KEPT_PROBLEMS = 1_000

COLUMNS = {
    "quest": ("questid", "quest", "questname", "level", "tier"),
    "badge": ("badge", "badgename", "badgetitle", "achievement", "award", "certificate"),
    "at": (
        *("awardedat", "awardedon", "awarded", "awarddate", "awardeddate", "dateawarded"),
        *("grantedat", "grantedon", "earnedat", "earnedon", "dateearned"),
        *("issuedat", "issuedon", "issuedate", "dateissued", "completedat", "completedon"),
        *("receivedat", "receivedon", "date", "at", "time", "when", "timestamp"),
    ),
    "reason": ("reason", "comment", "comments", "note", "notes", "description"),
}
"""Columns read besides those that identify the member, and their recognized headers."""


@dataclass
class ImportResult:
    """Result so far. `problems` are the first skipped rows with their reasons; `bad` counts all of them.

    `pairs` are the awards that a dry run would have made.
    """

    awarded: int = 0
    already_held: int = 0
    already_revoked: int = 0
    bad: int = 0
    problems: list[tuple[int, list[Message]]] = field(default_factory=list)
    warned: int = 0
    notes: list[tuple[int, list[Message]]] = field(default_factory=list)
    undated: int = 0
    pairs: set[Pair] = field(default_factory=set)

    @property
    def remarks(self) -> list[Message]:
        return [message("awards.undated", awards=self.undated)] if self.undated else []

    def leave_out(self, line: int, problems: list[Message]) -> None:
        self.bad += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append((line, problems))

    def warn(self, line: int, warnings: Sequence[Message]) -> None:
        self.warned += 1
        if len(self.notes) < KEPT_PROBLEMS:
            self.notes.append((line, list(warnings)))


@dataclass(frozen=True)
class AwardImport:
    """How the awards of a file are imported: its columns, and what the command was told."""

    columns: dict[str, int]
    quests: QuestNames
    webhooks: bool = False
    dry_run: bool = False

    def take(self, rows: Sequence[Row], actor: Actor, done: ImportResult) -> None:
        """Make the awards of some rows in a fixed number of statements; skip invalid rows with a reason. Idempotent."""
        items = [self._item(row) for row in rows]
        outcomes = award_items(
            items, actor, AwardSource.IMPORT, webhooks=self.webhooks, dry_run=self.dry_run
        )
        for item, outcome in zip(items, outcomes, strict=True):
            status = outcome.status
            if self.dry_run and status == Status.AWARDED and outcome.member:
                pair = outcome.member.id, item.quest_id or 0
                status = Status.ALREADY_HELD if pair in done.pairs else status
                done.pairs.add(pair)
            if status == Status.ERROR:
                done.leave_out(item.member.line, outcome.problems)
                continue
            done.awarded += status == Status.AWARDED
            done.already_held += status in (Status.ALREADY_HELD, Status.MERGED)
            done.already_revoked += status == Status.ALREADY_REVOKED
            done.undated += status == Status.AWARDED and item.at is None
            if item.member.warnings:
                done.warn(item.member.line, item.member.warnings)

    def _item(self, row: Row) -> AwardItem:
        badge, quest, at, reason = (
            self._cell(row, name) for name in ("badge", "quest", "at", "reason")
        )
        date, problems = date_in(at or None)
        try:
            quest_id = self.quests.find(badge, quest)
        except DomainError as error:
            return AwardItem(row, None, reason, date, (error.text, *problems))
        return AwardItem(row, quest_id, reason, date, problems)

    def _cell(self, row: Row, name: str) -> str:
        place = self.columns.get(name)
        return clean(row.cells[place]) if place is not None and place < len(row.cells) else ""


def columns_of(shape: Shape) -> dict[str, int]:
    """Return the place of each column. Raises DomainError if there is none for the quest."""
    places = {name: shape.place_of(*called) for name, called in COLUMNS.items()}
    if places["quest"] is None and places["badge"] is None:
        raise DomainError("awards.missing_column")
    return {name: place for name, place in places.items() if place is not None}


def record_import(done: ImportResult, actor: Actor) -> None:
    """Write one audit log entry for the whole file."""
    audit_log.write(
        actor,
        "awards.imported",
        "awards",
        awarded=done.awarded,
        held=done.already_held,
        gone=done.already_revoked,
        left_out=done.bad,
    )
