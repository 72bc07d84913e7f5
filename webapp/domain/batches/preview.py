"""Preview a file of members: match every row to a member, or explain why it has none (B-13 to B-15)."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from sqlalchemy import select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.batches.preview_rows import PreviewRows, pack_json
from webapp.domain.csv_files import Sheet, shown
from webapp.domain.csv_files.spreadsheet_hints import hint
from webapp.domain.members.identify import (
    FoundMembers,
    KeyColumns,
    MatchedRow,
    MatchKind,
    explain,
    find_members,
    keys_of,
    match_row,
    matching_members,
    set_kind,
)
from webapp.messages import Message, message
from webapp.models import Entry, Member

FILTERS = ("all", "expected", "errors", "merged", "already", "unable", "changed")


@dataclass
class Preview:
    """How a file was read, and its rows in file order."""

    how: Message
    header: list[str]
    ignored: list[str]
    blank: int
    separator: str = ";"
    columns: dict[str, int] = field(default_factory=dict)
    line: int = 1
    """The header's line; 0 if there is none."""
    warnings: list[Message] = field(default_factory=list)
    beginning: list[tuple[int, str]] = field(default_factory=list)
    """The lines among which to look for a header."""
    lines: PreviewRows = field(default_factory=lambda: PreviewRows.of([]))

    def counts(self) -> dict[str, int]:
        """Return the number of rows per filter: all = expected + errors; merged and already are part of expected.

        `changed` counts rows marked by `mark_changes`; `unable` counts members to add who can't receive badges.
        """
        kinds = Counter(self.lines.kinds)
        return {
            "all": len(self.lines),
            "expected": len(self.lines) - kinds[MatchKind.ERROR],
            "errors": kinds[MatchKind.ERROR],
            "merged": kinds[MatchKind.MERGED],
            "already": kinds[MatchKind.ALREADY],
            "unable": len(self.places("unable")),
            "changed": len(self.lines.changed),
        }

    def member_ids(self) -> list[int]:
        """Return the members to add, in file order, without repeats."""
        lines = self.lines
        return [id_ for place in lines.places(MatchKind.GOOD) if (id_ := lines.member_ids[place])]

    def shown(self, filter_: str) -> list[MatchedRow]:
        """Return the rows of one of FILTERS; all rows for an unknown one."""
        return [self.lines[place] for place in self.places(filter_)]

    def places(self, filter_: str) -> list[int]:
        """Return the places in `lines` of the rows that `shown` returns."""
        lines = self.lines
        if filter_ == "changed":
            return sorted(lines.changed)
        if filter_ == "unable":
            return [place for place in sorted(lines.unable) if lines.kinds[place] == MatchKind.GOOD]
        return lines.places(*_KINDS.get(filter_, MatchKind))

    def mark_changes(self, earlier: Preview) -> bool:
        """Mark the rows whose result differs from `earlier`; return whether there are any."""
        self.lines.mark_changes(earlier.lines)
        return bool(self.lines.changed)

    def pack(self) -> bytes:
        """Return the preview as compressed streams: one about the file, and one for each block of rows."""
        head = {name: getattr(self, name) for name in _HEAD}
        rows, blocks = self.lines.pack()
        return b"".join([pack_json([head, rows, list(map(len, blocks))]), *blocks])

    @classmethod
    def unpack(cls, packed: bytes) -> Preview:
        first = zlib.decompressobj()
        head, rows, *sizes = json.loads(first.decompress(packed))
        ends = accumulate(*sizes or [[]], initial=0)
        blocks = [first.unused_data[start:end] for start, end in pairwise(ends)]
        head["beginning"] = [(line, text) for line, text in head.get("beginning", ())]
        head["how"] = Message.from_json(head["how"])
        head["warnings"] = list(map(Message.from_json, head["warnings"]))
        unpack = PreviewRows.unpack if sizes else PreviewRows.unpack_earlier
        return cls(**head, lines=unpack(rows, blocks))


_KINDS = {
    "expected": (MatchKind.GOOD, MatchKind.MERGED, MatchKind.ALREADY),
    "errors": (MatchKind.ERROR,),
    "merged": (MatchKind.MERGED,),
    "already": (MatchKind.ALREADY,),
}
_HEAD = (
    *("how", "header", "ignored", "blank", "separator"),
    *("columns", "line", "warnings", "beginning"),
)


def resolve(sheet: Sheet, batch_id: int, choices: Mapping[str, int] | None = None) -> Preview:
    """Match every row of a sheet in four queries; writes nothing."""
    # `choices` are the members picked for rows without a match, by line; they take a fifth query.
    keys = keys_of(sheet.rows)
    found = find_members(keys)
    chosen = _valid_choices(choices or {}, found)
    inside = set(db.session.scalars(select(Entry.member_id).where(Entry.batch_id == batch_id)))
    preview = Preview(
        sheet.how,
        sheet.header,
        sheet.ignored,
        sheet.blank,
        sheet.separator,
        sheet.columns,
        sheet.line,
        sheet.warnings + _warn_foreign_ids(sheet, keys, found),
        sheet.beginning,
    )
    members = matching_members(sheet.rows, keys, found)
    lines = [row.line for row in sheet.rows]
    preview.lines = PreviewRows.of_good(lines, members, [row.cells for row in sheet.rows])
    seen: dict[int, int] = {}
    remarkable = found.unable.keys() | inside
    for place, (row, member_id) in enumerate(zip(sheet.rows, members.copy(), strict=True)):
        if member_id and member_id not in seen and member_id not in remarkable and not row.warnings:
            seen[member_id] = row.line
            continue
        looked_up = keys[0][place], keys[1][place], keys[2][place]
        line = match_row(row, looked_up, found, chosen.get(row.line))
        if line.member_id is not None:
            set_kind(line, found, inside, seen)
            line.unable = found.unable.get(line.member_id)
        if line.kind == MatchKind.ALREADY:
            line.notes = line.notes or list(explain(row, looked_up, found))
        line.notes += row.warnings
        preview.lines.put(place, line)
    return preview


def _warn_foreign_ids(sheet: Sheet, keys: KeyColumns, found: FoundMembers) -> list[Message]:
    """Warn if a file's IDs seem to come from another system: none is known, though some rows match."""
    place = sheet.columns.get("external_id")
    ids, *others = found.ids
    if place is None or any(key in ids for key in keys[0] if key):
        return []
    if any(map(hint, keys[0][:100])):
        return []  # numbers that a spreadsheet changed
    named = zip(*keys, strict=True)
    if not any(id_ and (name in others[0] or address in others[1]) for id_, name, address in named):
        return []
    name = shown(sheet.header[place].strip()) or message("csv_files.column", number=place + 1)
    return [message("batches.foreign_ids", column=name)]


def _valid_choices(choices: Mapping[str, int], found: FoundMembers) -> dict[int, int]:
    """Return the choices whose members still exist, by line, and note their usernames."""
    if not choices:
        return {}
    ids = sorted(set(choices.values()))
    rows = select(Member.id, Member.username, Member.status).where(in_array(Member.id, ids))
    for row in db.session.execute(rows):
        found.note(*row)
    return {int(line): member_id for line, member_id in choices.items() if member_id in found.name}
