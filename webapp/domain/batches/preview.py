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
from webapp.domain.csv_files import Sheet
from webapp.domain.csv_files import shown as quoted
from webapp.domain.csv_files.spreadsheet_hints import hint
from webapp.domain.members.identify import (
    FoundMembers,
    Keys,
    Line,
    LineKind,
    add_warning,
    explain,
    find,
    line_of,
    set_kind,
)
from webapp.domain.normalization import fold
from webapp.models import Entry, Member

FILTERS = ("all", "expected", "errors", "merged", "already", "unable", "changed")


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
            "expected": len(self.lines) - kinds[LineKind.ERROR],
            "errors": kinds[LineKind.ERROR],
            "merged": kinds[LineKind.MERGED],
            "already": kinds[LineKind.ALREADY],
            "unable": len(self.shown("unable")),
            "changed": sum(line.changed for line in self.lines),
        }

    def member_ids(self) -> list[int]:
        return [
            line.member_id for line in self.lines if line.kind == LineKind.GOOD and line.member_id
        ]

    def shown(self, filter_: str) -> list[Line]:
        """The rows of one filter of FILTERS; an unknown one shows all."""
        kinds = {
            "expected": (LineKind.GOOD, LineKind.MERGED, LineKind.ALREADY),
            "errors": (LineKind.ERROR,),
            "merged": (LineKind.MERGED,),
            "already": (LineKind.ALREADY,),
        }
        if filter_ == "changed":
            return [line for line in self.lines if line.changed]
        if filter_ == "unable":
            return [line for line in self.lines if line.unable and line.kind == LineKind.GOOD]
        chosen = kinds.get(filter_)
        return [line for line in self.lines if chosen is None or line.kind in chosen]

    def mark_changes(self, earlier: Preview) -> bool:
        """Marks the rows that come to something else than they did `earlier`; says whether there are any."""
        then = {line.line: (line.kind, line.member_id) for line in earlier.lines}
        for now in self.lines:
            now.changed = then.get(now.line) != (now.kind, now.member_id)
        return any(line.changed for line in self.lines)

    def pack(self) -> bytes:
        kept = {name: getattr(self, name) for name in _HEAD}
        rows = list(map(_values, self.lines))
        return zlib.compress(json.dumps([kept, rows], ensure_ascii=False).encode(), level=1)

    @classmethod
    def unpack(cls, packed: bytes) -> Preview:
        kept, rows = json.loads(zlib.decompress(packed))
        kept["beginning"] = [(line, text) for line, text in kept.get("beginning", ())]
        return cls(**kept, lines=[Line(*row) for row in rows])


_HEAD = (
    *("how", "header", "ignored", "blank", "separator"),
    *("columns", "line", "warnings", "beginning"),
)


def resolve(sheet: Sheet, batch_id: int, choices: Mapping[str, int] | None = None) -> Preview:
    """Resolves every row of a sheet in four queries, whatever their number; it writes nothing."""
    # `choices` are whom the manager chose for rows without a member, by line; they take a fifth query.
    keys = [(row.external_id, fold(row.username), fold(row.email)) for row in sheet.rows]
    members = find(keys)
    chosen = _chosen(choices or {}, members)
    inside = set(db.session.scalars(select(Entry.member_id).where(Entry.batch_id == batch_id)))
    preview = Preview(
        sheet.how,
        sheet.header,
        sheet.ignored,
        sheet.blank,
        sheet.separator,
        sheet.columns,
        sheet.line,
        sheet.warnings + _foreign(sheet, keys, members),
        sheet.beginning,
    )
    seen: dict[int, int] = {}
    for row, looked_up in zip(sheet.rows, keys, strict=True):
        line = line_of(row, looked_up, members, chosen.get(row.line))
        if line.member_id is not None:
            set_kind(line, members, inside, seen)
            line.unable = members.unable.get(line.member_id, "")
        if line.kind == LineKind.ALREADY:
            line.note = line.note or explain(row, looked_up, members)
        add_warning(line, row)
        preview.lines.append(line)
    return preview


def _foreign(sheet: Sheet, keys: list[Keys], members: FoundMembers) -> list[str]:
    """Return the warning that a file's IDs seem to be those of another system: none is known, though rows are."""
    place = sheet.columns.get("external_id")
    ids, *by_other_keys = members.ids
    if place is None or any(key[0] in ids for key in keys if key[0]):
        return []
    if any(hint(key[0]) for key in keys[:100]):
        return []  # they are numbers that a spreadsheet changed
    if not any(
        key[0] and (key[1] in by_other_keys[0] or key[2] in by_other_keys[1]) for key in keys
    ):
        return []
    name = quoted(sheet.header[place].strip()) or f"Column {place + 1}"
    return [
        f"No ID in the column “{name}” belongs to a member here. If they are IDs of another system, "
        "set the column to “Don't use”."
    ]


def _chosen(choices: Mapping[str, int], members: FoundMembers) -> dict[int, int]:
    """The choices whose members are still there, by line; their usernames are noted."""
    if not choices:
        return {}
    ids = sorted(set(choices.values()))
    rows = select(Member.id, Member.username, Member.status).where(in_array(Member.id, ids))
    for row in db.session.execute(rows):
        members.note(*row)
    return {
        int(line): member_id for line, member_id in choices.items() if member_id in members.name
    }
