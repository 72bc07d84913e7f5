"""Which member a row of a file or an API call means (B-14, B-15)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.csv_files import Row
from webapp.domain.csv_files import shown as quoted
from webapp.domain.csv_files.spreadsheet_hints import hint
from webapp.domain.normalization import fold
from webapp.models import Member, MemberStatus
from webapp.models.member import CANNOT_RECEIVE

NOT_FOUND = "Where Id, Username or Email was not found"


NO_MATCH = "User was not found"


MERGED = "With duplicated info, these rows will be automatically merged"


ALREADY_IN = "This user is already in the batch."


class LineKind(StrEnum):
    GOOD = "good"
    MERGED = "merged"  # of a member who is in an earlier row
    ALREADY = "already"
    ERROR = "error"


@dataclass(slots=True)
class Line:
    line: int
    cells: list[str]
    kind: LineKind
    message: str = ""
    note: str = ""
    member_id: int | None = None
    changed: bool = False
    chosen: bool = False  # by the manager, of members with a similar name
    unable: str = ""  # why the member can't receive badges now, which is no error yet (B-15, E-10)


COLUMNS = ("ID", "Username", "Email")


Keys = tuple[str, str, str]  # what a row is looked up by, column by column; "" where it is empty


@dataclass(frozen=True)
class FoundMembers:
    ids: tuple[dict[str, int], dict[str, int], dict[str, int]]
    name: dict[int, str]
    unable: dict[int, str] = field(default_factory=dict)  # why they can't receive badges

    def note(self, member_id: int, username: str, status: MemberStatus) -> None:
        self.name[member_id] = username
        if status in CANNOT_RECEIVE:
            self.unable[member_id] = CANNOT_RECEIVE[MemberStatus(status)]


def identify(rows: list[Row]) -> list[Line]:
    """Each row with its one member, or why there is none, as a file's rows have it; three queries (B-14, B-15).

    A row of somebody who was in an earlier one is `LineKind.MERGED`.
    """
    keys = [(row.external_id, fold(row.username), fold(row.email)) for row in rows]
    members = find(keys)
    lines, seen = [], dict[int, int]()
    for row, looked_up in zip(rows, keys, strict=True):
        lines.append(line := line_of(row, looked_up, members, None))
        if line.member_id is not None:
            set_kind(line, members, set(), seen)
        add_warning(line, row)
    return lines


def add_warning(line: Line, row: Row) -> None:
    if row.warning:
        line.note = ". ".join(filter(None, [line.note, row.warning]))


def find(keys: list[Keys]) -> FoundMembers:
    """Looks up what the rows point to, a query a column, and none for what an earlier column has found already."""
    columns = (Member.external_id, Member.username_key, Member.email_key)
    members = FoundMembers(({}, {}, {}), {})
    for place, column in enumerate(columns):
        keys_wanted = {row[place] for row in keys if row[place]} - members.ids[place].keys()
        if not keys_wanted:
            continue
        shown_of = (Member.id, Member.username, Member.status)
        query = select(*shown_of, *columns).where(in_array(column, sorted(keys_wanted)))
        for member_id, username, status, *member_keys in db.session.execute(query):
            members.note(member_id, username, status)
            for ids, key in zip(members.ids, member_keys, strict=True):
                if key:
                    ids[key] = member_id
    return members


def line_of(row: Row, keys: Keys, members: FoundMembers, chosen: int | None) -> Line:
    """The row with its one member, or why there is none."""
    line = Line(row.line, row.cells, LineKind.ERROR)
    if problem := row.problem or row.email_problem:
        line.message = problem
        return line
    # The member that each column points to; one that is not filled says nothing.
    member_ids = {ids.get(key) for ids, key in zip(members.ids, keys, strict=True) if key}
    if len(member_ids) == 1 and None not in member_ids:
        line.member_id = member_ids.pop()
        return line
    line.note = explain(row, keys, members)
    if chosen is not None:
        line.member_id, line.chosen = chosen, True
        line.note = f"You chose {members.name[chosen]}. {line.note}"
    else:
        line.message = NO_MATCH if member_ids - {None} else NOT_FOUND
    return line


def set_kind(line: Line, members: FoundMembers, inside: set[int], seen: dict[int, int]) -> None:
    """Whether the member of a row is new, or in an earlier row, or in the batch."""
    member_id = line.member_id
    assert member_id is not None
    if member_id in seen:
        line.kind, line.message = LineKind.MERGED, MERGED
        line.note = f"{members.name[member_id]}, as in line {seen[member_id]}"
    elif member_id in inside:
        line.kind, line.message = LineKind.ALREADY, ALREADY_IN
    else:
        line.kind = LineKind.GOOD
    seen.setdefault(member_id, line.line)


def explain(row: Row, keys: Keys, members: FoundMembers) -> str:
    """Which column matched whom: "ID 4821 is anna; Username ana is nobody"."""
    if not any(keys):
        return "ID, Username and Registered email are empty"
    texts = (row.external_id, row.username, row.email)
    matched = []
    for column, text, ids, key in zip(COLUMNS, texts, members.ids, keys, strict=True):
        if key:
            member_id = ids.get(key)
            name = members.name[member_id] if member_id else "nobody"
            matched.append(f"{column} {quoted(text)} is {name}")
    doubts = [
        found_hint.sentence(text)
        for text, ids, key in list(zip(texts, members.ids, keys, strict=True))[:2]
        if key and key not in ids and (found_hint := hint(text)) and found_hint.kind != "shortened"
    ]
    return ". ".join(["; ".join(matched), *doubts])
