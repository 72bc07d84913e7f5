"""Data types for what an import does with a chunk of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from webapp.domain.dates import ParsedMoment
from webapp.domain.imports.hash_table import HashTable
from webapp.messages import Message
from webapp.models import MemberStatus

KEYS = (("username", "username_key"), ("email", "email_key"))


class RowError(NamedTuple):
    """An error of a row and its field in ImportRow; "" means the whole row."""

    field: str
    message: Message
    lost: bool = False
    """For a warning: whether the row is imported without this field."""


class ImportRow(NamedTuple):
    """A row to import, as unconverted text; "" keeps the current value."""

    line: int
    external_id: str
    username: str = ""
    email: str = ""
    name: str = ""
    problem: Message | None = None  # why it can't be read, or None
    joined: str = ""  # a date or time
    status: str = ""
    warnings: tuple[RowError, ...] = ()
    cleared: frozenset[str] = frozenset()
    """The fields to empty, of `columns.CLEARABLE`."""


class ValidRow(NamedTuple):
    """A validated row: its usable fields, its keys, and warnings about the rest."""

    line: int
    external_id: str
    username: str = ""
    username_key: str = ""
    email: str = ""
    email_key: str = ""
    name: str = ""
    joined: ParsedMoment | None = None
    status: MemberStatus | None = None
    warnings: tuple[RowError, ...] = ()
    doubts: tuple[RowError, ...] = ()
    """Reasons not to create a member from this row, or rename one by its username."""
    hints: tuple[RowError, ...] = ()
    """Hints if a member is created from this row, or renamed by its username."""
    cleared: frozenset[str] = frozenset()

    @property
    def joined_at(self) -> datetime | None:
        return self.joined.at if self.joined else None


@dataclass(slots=True)
class ExistingMember:
    """A member's fields that an import compares; `id` is None for a member to be created."""

    id: int | None
    external_id: str
    username: str
    username_key: str
    email: str
    email_key: str
    name: str
    joined_at: datetime | None
    status: str


@dataclass(frozen=True)
class Change:
    """A row's effect: the member before (None if created) and after."""

    line: int
    before: ExistingMember | None
    after: ExistingMember


@dataclass
class Plan:
    """What to do with a chunk of rows: new members, changes, number of unchanged rows, and errors by line."""

    new: list[ValidRow] = field(default_factory=list)
    """Rows that create a member and concern no one else; all other effects are in `changes`."""
    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    problems: dict[int, list[RowError]] = field(default_factory=dict)
    warnings: dict[int, list[RowError]] = field(default_factory=dict)  # of imported rows
    outcomes: dict[int, str] = field(default_factory=dict)  # of imported rows, by line
    postponed: set[int] = field(default_factory=set)  # lines to import after the last row
    renamed: list[Change] = field(default_factory=list)  # members without a row, who have left

    @property
    def status_changes(self) -> list[Change]:
        """Return the changes that include the status."""
        return [
            change
            for change in self.changes
            if change.before and change.before.status != change.after.status
        ]


@dataclass
class DryRunState:
    """State that a dry run would have reached: for each kind of key who holds it, for later rows."""

    holders: dict[str, HashTable] = field(
        default_factory=lambda: {label: HashTable() for label, _ in KEYS}
    )
    former: dict[str, ExistingMember] = field(default_factory=dict)  # would have lost their names

    FREE, HELD, LEFT = 0, 1, 2  # LEFT: held by a member who has left

    def note(self, plan: Plan) -> None:
        """Add the effects of a chunk."""
        changes = [change for change in (*plan.changes, *plan.renamed) if _moves(change)]
        for change in changes:
            for label, key in KEYS:
                if change.before and (old := getattr(change.before, key)):
                    self.holders[label].put(old, self.FREE)
        members: list[ExistingMember | ValidRow] = [change.after for change in changes]
        for member in members + plan.new:
            state = self.LEFT if member.status == MemberStatus.LEFT else self.HELD
            for label, key in KEYS:
                if new := getattr(member, key):
                    self.holders[label].put(new, state)
        self.former |= {change.after.external_id: change.after for change in plan.renamed}

    def concerns(self, row: ValidRow) -> bool:
        """True if an earlier row would have given or taken a key that this row contains."""
        return any(getattr(row, key) in self.holders[label] for label, key in KEYS)


def _moves(change: Change) -> bool:
    """True if a change affects who holds a username or email, or whether they have left."""
    before, after = change.before, change.after
    return (
        before is None
        or before.status != after.status
        or any(getattr(before, key) != getattr(after, key) for _, key in KEYS)
    )
