"""Match rows of files and API calls to members (B-14, B-15)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.csv_files import Row, shown
from webapp.domain.csv_files.spreadsheet_hints import hint
from webapp.domain.normalization import fold_all
from webapp.messages import Message, join, message
from webapp.models import Member, MemberStatus
from webapp.models.member import UNABLE


class MatchKind(StrEnum):
    GOOD = "good"
    MERGED = "merged"  # the member is in an earlier row
    ALREADY = "already"
    ERROR = "error"


@dataclass(slots=True)
class MatchedRow:
    """A row of a file in the preview."""

    line: int
    cells: list[str]
    kind: MatchKind
    message: Message | None = None
    notes: list[Message] = field(default_factory=list)
    member_id: int | None = None
    changed: bool = False
    chosen: bool = False  # by the manager, among members with similar names
    unable: Message | None = None  # why they can't receive badges; no error yet (B-15, E-10)

    @property
    def note(self) -> str:
        return join(self.notes)

    @property
    def sentence(self) -> str:
        ended = str(self.message or "").removesuffix(".")
        return " ".join(filter(None, (ended and f"{ended}.", self.note)))


COLUMNS = ("id", "username", "email")


Keys = tuple[str, str, str]  # search keys by column; "" for an empty cell
KeyColumns = tuple[Sequence[str], Sequence[str], Sequence[str]]


@dataclass(frozen=True)
class FoundMembers:
    """Members that the rows refer to: IDs by each column's keys, and usernames."""

    ids: tuple[dict[str, int], dict[str, int], dict[str, int]]
    name: dict[int, str]
    unable: dict[int, Message] = field(default_factory=dict)  # why they can't receive badges

    def note(self, member_id: int, username: str, status: MemberStatus) -> None:
        self.name[member_id] = username
        if status in UNABLE:
            self.unable[member_id] = UNABLE[MemberStatus(status)]


def identify(rows: list[Row]) -> list[MatchedRow]:
    """Match each row to one member, or explain why there is none, as for a file; three queries (B-14, B-15).

    A row whose member is in an earlier row is `LineKind.MERGED`.
    """
    keys = keys_of(rows)
    found = find_members(keys)
    lines, seen = [], dict[int, int]()
    for row, looked_up in zip(rows, zip(*keys, strict=True), strict=True):
        lines.append(line := match_row(row, looked_up, found, None))
        if line.member_id is not None:
            set_kind(line, found, set(), seen)
        line.notes += row.warnings
    return lines


def keys_of(rows: Sequence[Row]) -> KeyColumns:
    return (
        [row.external_id for row in rows],
        fold_all([row.username for row in rows]),
        fold_all([row.email for row in rows]),
    )


def find_members(keys: KeyColumns) -> FoundMembers:
    """Look up the keys, one query per column, skipping rows that an earlier column has matched."""
    found = FoundMembers(({}, {}, {}), {})
    for query, wanted_keys, known in zip(_BY_KEYS, keys, found.ids, strict=True):
        wanted = set(wanted_keys) - known.keys() - {""}
        rows = db.session.execute(query, {"keys": sorted(wanted)}).all() if wanted else []
        if not rows:
            continue
        member_ids, usernames, statuses, *member_keys = zip(*rows, strict=True)
        found.name.update(zip(member_ids, usernames, strict=True))
        for ids, keys_found in zip(found.ids, member_keys, strict=True):
            ids.update(zip(keys_found, member_ids, strict=True))
            ids.pop("", None)
        for status, reason in UNABLE.items():
            if status in statuses:
                theirs = zip(member_ids, statuses, strict=True)
                found.unable.update({who: reason for who, now in theirs if now == status})
    return found


_MEMBERS = Member.__table__.c  # as entities' attributes, rows cost twice as much
_KEYS = (_MEMBERS.external_id, _MEMBERS.username_key, _MEMBERS.email_key)
_BY_KEYS = [
    select(_MEMBERS.id, _MEMBERS.username, _MEMBERS.status, *_KEYS).where(in_array(column, "keys"))
    for column in _KEYS
]


def matching_members(
    rows: Sequence[Row], keys: KeyColumns, found: FoundMembers
) -> list[int | None]:
    """Return the one member to whom all used columns of each row refer; None if `match_row` must tell."""
    used = [place for place in range(3) if any(keys[place])]
    if not used:
        return [None] * len(rows)
    first, *others = (list(map(found.ids[place].get, keys[place])) for place in used)
    for other in others:
        first = [one if one == two else None for one, two in zip(first, other, strict=True)]
    return [
        None if row.problem or row.email_problem else member_id
        for row, member_id in zip(rows, first, strict=True)
    ]


def match_row(row: Row, keys: Keys, found: FoundMembers, chosen: int | None) -> MatchedRow:
    """Return the row with its one member, or why there is none."""
    line = MatchedRow(row.line, row.cells, MatchKind.ERROR)
    if problem := row.problem or row.email_problem:
        line.message = problem
        return line
    # The member that each filled column refers to.
    members = {ids.get(key) for ids, key in zip(found.ids, keys, strict=True) if key}
    if len(members) == 1 and None not in members:
        line.member_id = members.pop()
        return line
    line.notes = list(explain(row, keys, found))
    if chosen is not None:
        line.member_id, line.chosen = chosen, True
        line.notes.insert(0, message("rows.chosen", member=found.name[chosen]))
    else:
        line.message = Message("rows.no_match" if members - {None} else "rows.not_found")
    return line


def set_kind(line: MatchedRow, found: FoundMembers, inside: set[int], seen: dict[int, int]) -> None:
    """Set whether a row's member is new, in an earlier row, or already in the batch."""
    member_id = line.member_id
    assert member_id is not None
    if member_id in seen:
        line.kind, line.message = MatchKind.MERGED, Message("rows.merged")
        first = seen[member_id]
        line.notes = [message("rows.same_as_line", line=first, member=found.name[member_id])]
    elif member_id in inside:
        line.kind, line.message = MatchKind.ALREADY, Message("rows.already_in_batch")
    else:
        line.kind = MatchKind.GOOD
    seen.setdefault(member_id, line.line)


def explain(row: Row, keys: Keys, found: FoundMembers) -> Iterator[Message]:
    """Explain which column matched whom: `ID 4821 belongs to anna. No member is named ana.`"""
    if not any(keys):
        yield Message("rows.all_empty")
    texts = (row.external_id, row.username, row.email)
    for column, text, ids, key in zip(COLUMNS, texts, found.ids, keys, strict=True):
        if key and (member_id := ids.get(key)):
            yield message(f"rows.{column}_belongs", value=shown(text), member=found.name[member_id])
        elif key:
            yield message(f"rows.{column}_unknown", value=shown(text))
    for text, ids, key in list(zip(texts, found.ids, keys, strict=True))[:2]:
        if key and key not in ids and (guess := hint(text)) and guess.kind != "shortened":
            yield guess.message(text)
