"""What a file of members would do to a batch: every row resolved to a member, or explained (B-13 to B-15)."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from sqlalchemy import select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.csv_files import Row, Sheet
from webapp.domain.csv_files import shown as quoted
from webapp.domain.csv_files.spreadsheet_hints import hint
from webapp.domain.normalization import fold
from webapp.models import Entry, Member, MemberStatus
from webapp.models.member import CANNOT_RECEIVE

NOT_FOUND = "Where Id, Username or Email was not found"
NO_MATCH = "User was not found"
MERGED = "With duplicated info, these rows will be automatically merged"
ALREADY_IN = "This user is already in the batch."

GOOD, MERGE, ALREADY, ERROR = "good", "merged", "already", "error"
FILTERS = ("all", "expected", "errors", "merged", "already", "unable", "changed")


@dataclass(slots=True)
class Line:
    """A row of the file as the preview shows it; `kind` is good, merged, already or error."""

    line: int
    cells: list[str]
    kind: str
    message: str = ""
    note: str = ""
    member_id: int | None = None
    changed: bool = False
    chosen: bool = False  # by the manager, of members with a similar name
    unable: str = ""  # why the member can't receive badges now, which is no error yet (B-15, E-10)


_values = attrgetter(*Line.__slots__)


@dataclass
class Preview:
    """A file resolved: what it says about how it was read, and its rows in file order."""

    how: str
    header: list[str]
    ignored: list[str]
    blank: int
    separator: str = ";"
    columns: dict[str, int] = field(default_factory=dict)
    line: int = 1
    """Where the header is; 0 if there is none."""
    warnings: list[str] = field(default_factory=list)
    """What to look at before the file is used."""
    beginning: list[tuple[int, str]] = field(default_factory=list)
    """The lines among which the header was looked for."""
    lines: list[Line] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Rows for each filter: all = expected + errors; merged and already are among those expected.

        `changed` are those marked by `mark_changes`, whatever they came to; `unable` are the members to be added who
        can't receive badges now.
        """
        kinds = Counter(line.kind for line in self.lines)
        return {
            "all": len(self.lines),
            "expected": len(self.lines) - kinds[ERROR],
            "errors": kinds[ERROR],
            "merged": kinds[MERGE],
            "already": kinds[ALREADY],
            "unable": len(self.shown("unable")),
            "changed": sum(line.changed for line in self.lines),
        }

    def member_ids(self) -> list[int]:
        """The members to be added, in file order, each once."""
        return [line.member_id for line in self.lines if line.kind == GOOD and line.member_id]

    def shown(self, filter_: str) -> list[Line]:
        """The rows of one filter of FILTERS; an unknown one shows all."""
        kinds = {
            "expected": (GOOD, MERGE, ALREADY),
            "errors": (ERROR,),
            "merged": (MERGE,),
            "already": (ALREADY,),
        }
        if filter_ == "changed":
            return [line for line in self.lines if line.changed]
        if filter_ == "unable":
            return [line for line in self.lines if line.unable and line.kind == GOOD]
        wanted = kinds.get(filter_)
        return [line for line in self.lines if wanted is None or line.kind in wanted]

    def mark_changes(self, earlier: Preview) -> bool:
        """Marks the rows that come to something else than they did `earlier`; says whether there are any."""
        then = {line.line: (line.kind, line.member_id) for line in earlier.lines}
        for now in self.lines:
            now.changed = then.get(now.line) != (now.kind, now.member_id)
        return any(line.changed for line in self.lines)

    def pack(self) -> bytes:
        """As bytes, for keeping."""
        kept = {name: getattr(self, name) for name in _HEAD}
        rows = list(map(_values, self.lines))
        return zlib.compress(json.dumps([kept, rows], ensure_ascii=False).encode(), level=1)

    @classmethod
    def unpack(cls, packed: bytes) -> Preview:
        """From the bytes that `pack` made."""
        kept, rows = json.loads(zlib.decompress(packed))
        kept["beginning"] = [(line, text) for line, text in kept.get("beginning", ())]
        return cls(**kept, lines=[Line(*row) for row in rows])


_HEAD = (
    *("how", "header", "ignored", "blank", "separator"),
    *("columns", "line", "warnings", "beginning"),
)

COLUMNS = ("ID", "Username", "Email")
Keys = tuple[str, str, str]  # what a row is looked up by, column by column; "" where it is empty


@dataclass(frozen=True)
class _Found:
    """The members that any row points to: ids by each column's key, and their usernames."""

    ids: tuple[dict[str, int], dict[str, int], dict[str, int]]
    name: dict[int, str]
    unable: dict[int, str] = field(default_factory=dict)  # why they can't receive badges

    def note(self, member_id: int, username: str, status: MemberStatus) -> None:
        """Keep what the preview says of a member."""
        self.name[member_id] = username
        if status in CANNOT_RECEIVE:
            self.unable[member_id] = CANNOT_RECEIVE[MemberStatus(status)]


def resolve(sheet: Sheet, batch_id: int, choices: Mapping[str, int] | None = None) -> Preview:
    """Resolves every row of a sheet in four queries, whatever their number; it writes nothing."""
    # `choices` are whom the manager chose for rows without a member, by line; they take a fifth query.
    keys = [(row.external_id, fold(row.username), fold(row.email)) for row in sheet.rows]
    found = _find(keys)
    chosen = _chosen(choices or {}, found)
    inside = set(db.session.scalars(select(Entry.member_id).where(Entry.batch_id == batch_id)))
    preview = Preview(
        sheet.how,
        sheet.header,
        sheet.ignored,
        sheet.blank,
        sheet.separator,
        sheet.columns,
        sheet.line,
        sheet.warnings + _foreign(sheet, keys, found),
        sheet.beginning,
    )
    seen: dict[int, int] = {}
    for row, looked_up in zip(sheet.rows, keys, strict=True):
        line = _line(row, looked_up, found, chosen.get(row.line))
        if line.member_id is not None:
            _place(line, found, inside, seen)
            line.unable = found.unable.get(line.member_id, "")
        if line.kind == ALREADY:
            line.note = line.note or _explain(row, looked_up, found)
        _warn(line, row)
        preview.lines.append(line)
    return preview


def identify(rows: list[Row]) -> list[Line]:
    """Each row with its one member, or why there is none, as a file's rows have it; three queries (B-14, B-15).

    A row of somebody who was in an earlier one is MERGE.
    """
    keys = [(row.external_id, fold(row.username), fold(row.email)) for row in rows]
    found = _find(keys)
    lines, seen = [], dict[int, int]()
    for row, looked_up in zip(rows, keys, strict=True):
        lines.append(line := _line(row, looked_up, found, None))
        if line.member_id is not None:
            _place(line, found, set(), seen)
        _warn(line, row)
    return lines


def _warn(line: Line, row: Row) -> None:
    """Add to a line's note what to look at in its row."""
    if row.warning:
        line.note = ". ".join(filter(None, [line.note, row.warning]))


def _foreign(sheet: Sheet, keys: list[Keys], found: _Found) -> list[str]:
    """Return the warning that a file's IDs seem to be those of another system: none is known, though rows are."""
    place = sheet.columns.get("external_id")
    ids, *others = found.ids
    if place is None or any(key[0] in ids for key in keys if key[0]):
        return []
    if any(hint(key[0]) for key in keys[:100]):
        return []  # they are numbers that a spreadsheet changed
    if not any(key[0] and (key[1] in others[0] or key[2] in others[1]) for key in keys):
        return []
    name = quoted(sheet.header[place].strip()) or f"Column {place + 1}"
    return [
        f"No ID in the column “{name}” belongs to a member here. If they are IDs of another system, "
        "set the column to “Don't use”."
    ]


def _chosen(choices: Mapping[str, int], found: _Found) -> dict[int, int]:
    """The choices whose members are still there, by line; their usernames are noted."""
    if not choices:
        return {}
    ids = sorted(set(choices.values()))
    rows = select(Member.id, Member.username, Member.status).where(in_array(Member.id, ids))
    for row in db.session.execute(rows):
        found.note(*row)
    return {int(line): one for line, one in choices.items() if one in found.name}


def _find(keys: list[Keys]) -> _Found:
    """Looks up what the rows point to, a query a column, and none for what an earlier column has found already."""
    columns = (Member.external_id, Member.username_key, Member.email_key)
    found = _Found(({}, {}, {}), {})
    for place, column in enumerate(columns):
        wanted = {row[place] for row in keys if row[place]} - found.ids[place].keys()
        if not wanted:
            continue
        shown_of = (Member.id, Member.username, Member.status)
        members = select(*shown_of, *columns).where(in_array(column, sorted(wanted)))
        for member_id, username, status, *member_keys in db.session.execute(members):
            found.note(member_id, username, status)
            for ids, key in zip(found.ids, member_keys, strict=True):
                if key:
                    ids[key] = member_id
    return found


def _line(row: Row, keys: Keys, found: _Found, chosen: int | None) -> Line:
    """The row with its one member, or why there is none."""
    line = Line(row.line, row.cells, ERROR)
    if problem := row.problem or row.email_problem:
        line.message = problem
        return line
    # The member that each column points to; one that is not filled says nothing.
    members = {ids.get(key) for ids, key in zip(found.ids, keys, strict=True) if key}
    if len(members) == 1 and None not in members:
        line.member_id = members.pop()
        return line
    line.note = _explain(row, keys, found)
    if chosen is not None:
        line.member_id, line.chosen = chosen, True
        line.note = f"You chose {found.name[chosen]}. {line.note}"
    else:
        line.message = NO_MATCH if members - {None} else NOT_FOUND
    return line


def _place(line: Line, found: _Found, inside: set[int], seen: dict[int, int]) -> None:
    """Whether the member of a row is new, or in an earlier row, or in the batch."""
    member_id = line.member_id
    assert member_id is not None
    if member_id in seen:
        line.kind, line.message = MERGE, MERGED
        line.note = f"{found.name[member_id]}, as in line {seen[member_id]}"
    elif member_id in inside:
        line.kind, line.message = ALREADY, ALREADY_IN
    else:
        line.kind = GOOD
    seen.setdefault(member_id, line.line)


def _explain(row: Row, keys: Keys, found: _Found) -> str:
    """Which column matched whom: "ID 4821 is anna; Username ana is nobody"."""
    if not any(keys):
        return "ID, Username and Registered email are empty"
    texts = (row.external_id, row.username, row.email)
    matched = []
    for column, text, ids, key in zip(COLUMNS, texts, found.ids, keys, strict=True):
        if key:
            member_id = ids.get(key)
            name = found.name[member_id] if member_id else "nobody"
            matched.append(f"{column} {quoted(text)} is {name}")
    doubts = [
        found_hint.sentence(text)
        for text, ids, key in list(zip(texts, found.ids, keys, strict=True))[:2]
        if key and key not in ids and (found_hint := hint(text)) and found_hint.kind != "shortened"
    ]
    return ". ".join(["; ".join(matched), *doubts])
