"""What a file of members would do to a batch: every row resolved to a member, or explained (B-13 to B-15)."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from sqlalchemy import select

from webapp.database import among, db
from webapp.domain.keys import fold
from webapp.domain.spreadsheets import Row, Sheet, shown
from webapp.models import Entry, Member

NOT_FOUND = "Where Id, Username or Email was not found"
NO_MATCH = "User was not found"
MERGED = "With duplicated info, these rows will be automatically merged"
ALREADY_IN = "This user is already in the batch."

GOOD, MERGE, ALREADY, ERROR = "good", "merged", "already", "error"
FILTERS = ("all", "expected", "errors", "merged", "already")


@dataclass
class Line:
    """A row of the file as the preview shows it; `kind` is good, merged, already or error."""

    line: int
    cells: list[str]
    kind: str
    message: str = ""
    note: str = ""
    member_id: int | None = None
    changed: bool = False


@dataclass
class Preview:
    """A file resolved: what it says about how it was read, and its rows in file order."""

    how: str
    header: list[str]
    ignored: list[str]
    blank: int
    separator: str = ";"
    lines: list[Line] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Rows for each filter: all = expected + errors; merged and already are among those expected."""
        kinds = Counter(line.kind for line in self.lines)
        return {
            "all": len(self.lines),
            "expected": len(self.lines) - kinds[ERROR],
            "errors": kinds[ERROR],
            "merged": kinds[MERGE],
            "already": kinds[ALREADY],
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
        return zlib.compress(json.dumps(asdict(self), ensure_ascii=False).encode(), level=1)

    @classmethod
    def unpack(cls, packed: bytes) -> Preview:
        """From the bytes that `pack` made."""
        kept = json.loads(zlib.decompress(packed))
        return cls(**{**kept, "lines": [Line(**line) for line in kept["lines"]]})


@dataclass(frozen=True)
class _Found:
    """The members that any row points to, by each column's key."""

    external_id: dict[str, int]
    username: dict[str, int]
    email: dict[str, int]
    name: dict[int, str]


def resolve(sheet: Sheet, batch_id: int) -> Preview:
    """Resolves every row of a sheet in four queries, whatever their number; it writes nothing."""
    found = _find(sheet.rows)
    inside = set(db.session.scalars(select(Entry.member_id).where(Entry.batch_id == batch_id)))
    preview = Preview(sheet.how, sheet.header, sheet.ignored, sheet.blank, sheet.separator)
    seen: dict[int, int] = {}
    for row in sheet.rows:
        preview.lines.append(_line(row, found, inside, seen))
    return preview


def _find(rows: Iterable[Row]) -> _Found:
    ids = {row.external_id for row in rows if row.external_id}
    usernames = {fold(row.username) for row in rows if row.username}
    emails = {fold(row.email) for row in rows if row.email}
    columns = (
        Member.id,
        Member.external_id,
        Member.username,
        Member.username_key,
        Member.email_key,
    )
    found = _Found({}, {}, {}, {})
    for key, wanted in (
        (Member.external_id, ids),
        (Member.username_key, usernames),
        (Member.email_key, emails),
    ):
        if not wanted:
            continue
        for member_id, external_id, username, username_key, email_key in db.session.execute(
            select(*columns).where(among(key, sorted(wanted)))
        ):
            found.external_id[external_id] = member_id
            found.username[username_key] = member_id
            if email_key:
                found.email[email_key] = member_id
            found.name[member_id] = username
    return found


def _line(row: Row, found: _Found, inside: set[int], seen: dict[int, int]) -> Line:
    line = Line(row.line, row.cells, ERROR)
    if row.problem:
        line.message = row.problem
        return line
    explanation = ""
    pointed = _pointed(row, found)
    members = {member_id for _, _, member_id in pointed}
    if not members - {None}:
        line.message, explanation = NOT_FOUND, _explain(pointed, found)
    elif len(members) > 1:
        line.message, explanation = NO_MATCH, _explain(pointed, found)
    else:
        line.member_id = members.pop()
        assert line.member_id is not None
        if line.member_id in seen:
            line.kind, line.message = MERGE, MERGED
            explanation = f"{found.name[line.member_id]}, as in line {seen[line.member_id]}"
        elif line.member_id in inside:
            line.kind, line.message = ALREADY, ALREADY_IN
            explanation = _explain(pointed, found)
        else:
            line.kind = GOOD
        seen.setdefault(line.member_id, row.line)
    line.note = ". ".join(filter(None, [explanation, row.warning]))
    return line


def _pointed(row: Row, found: _Found) -> list[tuple[str, str, int | None]]:
    """Column, text and member of each filled column."""
    looked_up = (
        ("ID", row.external_id, found.external_id.get(row.external_id)),
        (
            "Username",
            row.username,
            found.username.get(fold(row.username)) if row.username else None,
        ),
        ("Email", row.email, found.email.get(fold(row.email)) if row.email else None),
    )
    return [(column, text, member_id) for column, text, member_id in looked_up if text]


def _explain(pointed: list[tuple[str, str, int | None]], found: _Found) -> str:
    """Which column matched whom: "ID 4821 is anna; Username ana is nobody"."""
    if not pointed:
        return "ID, Username and Registered email are empty"
    return "; ".join(
        f"{column} {shown(text)} is {found.name[member_id] if member_id else 'nobody'}"
        for column, text, member_id in pointed
    )
