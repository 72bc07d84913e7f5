"""What an import does with a chunk of rows, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from webapp.domain.dates import ParsedMoment
from webapp.messages import Message
from webapp.models import MemberStatus

KEYS = (("username", "username_key"), ("email", "email_key"))


class RowError(NamedTuple):
    """What is wrong with a row, and in which field of ImportRow; "" is the row as a whole."""

    field: str
    message: Message
    lost: bool = False
    """Of a warning: whether the row is imported without what this field says."""


class ImportRow(NamedTuple):
    """A row to import: texts as they came; "" says nothing and leaves what there is."""

    line: int
    external_id: str
    username: str = ""
    email: str = ""
    name: str = ""
    problem: Message | None = None  # why it can't be read, if it can't
    joined: str = ""  # a day or a moment
    status: str = ""
    warnings: tuple[RowError, ...] = ()


class Sound(NamedTuple):
    """A row that was looked at: what of it can be kept, its keys, and the warnings for what can't."""

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
    """Why no member may be created from this row, or renamed by its username."""
    hints: tuple[RowError, ...] = ()
    """What to look at if a member is created by this row, or renamed by its username."""


@dataclass
class ExistingMember:
    """A member as far as an import is concerned; `id` None: one that is to be created."""

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
    """What a row did: the member as they were (None: there was none) and as they are."""

    line: int
    before: ExistingMember | None
    after: ExistingMember


@dataclass
class Plan:
    """What to do with a chunk of rows: changes, how many change nothing, what is wrong with the others, by line."""

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    problems: dict[int, list[RowError]] = field(default_factory=dict)
    warnings: dict[int, list[RowError]] = field(default_factory=dict)  # of the other rows
    outcomes: dict[int, str] = field(default_factory=dict)  # of the other rows, by line
    postponed: set[int] = field(default_factory=set)  # lines to be looked at after the last row
    renamed: list[Change] = field(default_factory=list)  # members without a row, who have left

    @property
    def status_changes(self) -> list[Change]:
        """The members who were something else before."""
        return [one for one in self.changes if one.before and one.before.status != one.after.status]


@dataclass
class DryRunState:
    """What a dry run has done without doing it: who holds which key now, by its hash, for the rows to come."""

    holders: dict[int, int] = field(default_factory=dict)
    former: dict[str, ExistingMember] = field(
        default_factory=dict
    )  # members who would have lost their username

    FREE, HELD, LEFT = 0, 1, 2  # LEFT: by a member who has left

    def note(self, plan: Plan) -> None:
        """Add what a chunk would have done."""
        changes = [one for one in (*plan.changes, *plan.renamed) if _moves(one)]
        for change in changes:
            for label, key in KEYS:
                if change.before and (old := getattr(change.before, key)):
                    self.holders[hash((label, old))] = self.FREE
        for change in changes:
            left = change.after.status == MemberStatus.LEFT
            for label, key in KEYS:
                if new := getattr(change.after, key):
                    self.holders[hash((label, new))] = self.LEFT if left else self.HELD
        self.former |= {change.after.external_id: change.after for change in plan.renamed}


def _moves(change: Change) -> bool:
    """Whether a change is about who holds a username or an email, and whether they have left."""
    before, after = change.before, change.after
    return (
        before is None
        or before.status != after.status
        or any(getattr(before, key) != getattr(after, key) for _, key in KEYS)
    )
