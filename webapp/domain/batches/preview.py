"""Preview a file of members: match every row to a member, or explain why it has none (B-13 to B-15)."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from sqlalchemy import select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.csv_files import Sheet, shown
from webapp.domain.csv_files.spreadsheet_hints import hint
from webapp.domain.members.identify import (
    FoundMembers,
    Keys,
    MatchedRow,
    MatchKind,
    explain,
    find_members,
    match_row,
    set_kind,
)
from webapp.domain.normalization import fold
from webapp.messages import Message, message
from webapp.models import Entry, Member

FILTERS = ("all", "expected", "errors", "merged", "already", "unable", "changed")


_values = attrgetter(*MatchedRow.__slots__)


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
    lines: list[MatchedRow] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return the number of rows per filter: all = expected + errors; merged and already are part of expected.

        `changed` counts rows marked by `mark_changes`; `unable` counts members to add who can't receive badges.
        """
        kinds = Counter(line.kind for line in self.lines)
        return {
            "all": len(self.lines),
            "expected": len(self.lines) - kinds[MatchKind.ERROR],
            "errors": kinds[MatchKind.ERROR],
            "merged": kinds[MatchKind.MERGED],
            "already": kinds[MatchKind.ALREADY],
            "unable": len(self.shown("unable")),
            "changed": sum(line.changed for line in self.lines),
        }

    def member_ids(self) -> list[int]:
        """Return the members to add, in file order, without repeats."""
        return [
            line.member_id for line in self.lines if line.kind == MatchKind.GOOD and line.member_id
        ]

    def shown(self, filter_: str) -> list[MatchedRow]:
        """Return the rows of one of FILTERS; all rows for an unknown one."""
        kinds = {
            "expected": (MatchKind.GOOD, MatchKind.MERGED, MatchKind.ALREADY),
            "errors": (MatchKind.ERROR,),
            "merged": (MatchKind.MERGED,),
            "already": (MatchKind.ALREADY,),
        }
        if filter_ == "changed":
            return [line for line in self.lines if line.changed]
        if filter_ == "unable":
            return [line for line in self.lines if line.unable and line.kind == MatchKind.GOOD]
        wanted = kinds.get(filter_)
        return [line for line in self.lines if wanted is None or line.kind in wanted]

    def mark_changes(self, earlier: Preview) -> bool:
        """Mark the rows whose result differs from `earlier`; return whether there are any."""
        then = {line.line: (line.kind, line.member_id) for line in earlier.lines}
        for now in self.lines:
            now.changed = then.get(now.line) != (now.kind, now.member_id)
        return any(line.changed for line in self.lines)

    def pack(self) -> bytes:
        kept = {name: getattr(self, name) for name in _HEAD}
        rows = list(map(_values, self.lines))
        text = json.dumps([kept, rows], ensure_ascii=False, default=Message.to_json)
        return zlib.compress(text.encode(), level=1)

    @classmethod
    def unpack(cls, packed: bytes) -> Preview:
        kept, rows = json.loads(zlib.decompress(packed))
        kept["beginning"] = [(line, text) for line, text in kept.get("beginning", ())]
        kept["how"] = Message.from_json(kept["how"])
        kept["warnings"] = list(map(Message.from_json, kept["warnings"]))
        return cls(**kept, lines=[_line(row) for row in rows])


def _line(packed: list[Any]) -> MatchedRow:
    line = MatchedRow(*packed)
    if packed[_MESSAGE]:
        line.message = Message.from_json(packed[_MESSAGE])
    if packed[_NOTES]:
        line.notes = list(map(Message.from_json, packed[_NOTES]))
    if packed[_UNABLE]:
        line.unable = Message.from_json(packed[_UNABLE])
    return line


_MESSAGE, _NOTES, _UNABLE = map(MatchedRow.__slots__.index, ("message", "notes", "unable"))
_HEAD = (
    *("how", "header", "ignored", "blank", "separator"),
    *("columns", "line", "warnings", "beginning"),
)


def resolve(sheet: Sheet, batch_id: int, choices: Mapping[str, int] | None = None) -> Preview:
    """Match every row of a sheet in four queries; writes nothing."""
    # `choices` are the members picked for rows without a match, by line; they take a fifth query.
    keys = [(row.external_id, fold(row.username), fold(row.email)) for row in sheet.rows]
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
    seen: dict[int, int] = {}
    for row, looked_up in zip(sheet.rows, keys, strict=True):
        line = match_row(row, looked_up, found, chosen.get(row.line))
        if line.member_id is not None:
            set_kind(line, found, inside, seen)
            line.unable = found.unable.get(line.member_id)
        if line.kind == MatchKind.ALREADY:
            line.notes = line.notes or list(explain(row, looked_up, found))
        line.notes += row.warnings
        preview.lines.append(line)
    return preview


def _warn_foreign_ids(sheet: Sheet, keys: list[Keys], found: FoundMembers) -> list[Message]:
    """Warn if a file's IDs seem to come from another system: none is known, though some rows match."""
    place = sheet.columns.get("external_id")
    ids, *others = found.ids
    if place is None or any(key[0] in ids for key in keys if key[0]):
        return []
    if any(hint(key[0]) for key in keys[:100]):
        return []  # numbers that a spreadsheet changed
    if not any(key[0] and (key[1] in others[0] or key[2] in others[1]) for key in keys):
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
