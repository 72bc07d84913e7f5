"""The rows of a preview, in columns; of a stored preview, only those that a page shows are read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress
from operator import ne
from typing import Any

from webapp.domain.members.identify import MatchedRow, MatchKind
from webapp.messages import Message

BLOCK = 500  # rows stored together

Remarks = tuple[Message | None, list[Message], Message | None]
"""The `message`, `notes` and `unable` of a row."""
Block = tuple[list[list[str]], dict[int, Remarks]]
"""The cells of each row, and the remarks about a few, by place in the file."""

_NOTHING: Remarks = (None, [], None)


@dataclass(eq=False)
class PreviewRows:
    """Rows in file order; sets have the places of rows."""

    lines: list[int]
    kinds: list[str]
    member_ids: list[int | None]
    blocks: list[Block | bytes]
    """The rest of each row. A block of a stored preview is unpacked when it is first read."""
    changed: set[int] = field(default_factory=set)
    chosen: set[int] = field(default_factory=set)
    unable: set[int] = field(default_factory=set)

    @classmethod
    def of_good(
        cls, lines: list[int], member_ids: list[int | None], cells: list[list[str]]
    ) -> PreviewRows:
        """Return rows of members to add; replace the others with `put`."""
        blocks: list[Block | bytes] = [
            (cells[place : place + BLOCK], {}) for place in range(0, len(cells), BLOCK)
        ]
        return cls(lines, [MatchKind.GOOD] * len(lines), member_ids, blocks)

    @classmethod
    def of(cls, rows: list[MatchedRow]) -> PreviewRows:
        columns = cls.of_good(
            [row.line for row in rows], [row.member_id for row in rows], [row.cells for row in rows]
        )
        for place, row in enumerate(rows):
            columns.put(place, row)
        return columns

    def put(self, place: int, row: MatchedRow) -> None:
        """Set everything about a row except for its line and cells."""
        self.kinds[place], self.member_ids[place] = row.kind, row.member_id
        self._block(place)[1][place] = row.message, row.notes, row.unable
        for places, true in (
            (self.changed, row.changed),
            (self.chosen, row.chosen),
            (self.unable, bool(row.unable)),
        ):
            if true:
                places.add(place)

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[MatchedRow]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, place: int) -> MatchedRow:
        cells, remarks = self._block(place)
        message, notes, unable = remarks.get(place, _NOTHING)
        return MatchedRow(
            self.lines[place],
            cells[place % BLOCK],
            MatchKind(self.kinds[place]),
            message,
            list(notes),
            self.member_ids[place],
            place in self.changed,
            place in self.chosen,
            unable,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PreviewRows) and list(self) == list(other)

    def places(self, *kinds: str) -> list[int]:
        return [place for place, kind in enumerate(self.kinds) if kind in kinds]

    def mark_changes(self, earlier: PreviewRows) -> None:
        """Mark the rows whose result differs from that of the same line before."""
        then = dict(zip(earlier.lines, earlier._results(), strict=True))
        differ = map(ne, map(then.get, self.lines), self._results())
        self.changed = set(compress(range(len(self)), differ))

    def _results(self) -> Iterable[tuple[str, int | None]]:
        return zip(self.kinds, self.member_ids, strict=True)

    def _block(self, place: int) -> Block:
        number = place // BLOCK
        block = self.blocks[number]
        if isinstance(block, bytes):
            block = self.blocks[number] = _unpack_block(block)
        return block

    def pack(self) -> tuple[list[Any], list[bytes]]:
        """Return what every page needs, as a value for JSON, and the packed blocks."""
        places = [sorted(places) for places in (self.changed, self.chosen, self.unable)]
        blocks = [
            block if isinstance(block, bytes) else _pack_block(block) for block in self.blocks
        ]
        return [self.lines, self.kinds, self.member_ids, *places], blocks

    @classmethod
    def unpack(cls, columns: list[Any], blocks: list[bytes]) -> PreviewRows:
        lines, kinds, member_ids, *places = columns
        return cls(lines, kinds, member_ids, [*blocks], *map(set, places))

    @classmethod
    def unpack_earlier(cls, rows: list[Any], _: list[bytes]) -> PreviewRows:
        """Return the rows of a preview that a version before blocks stored."""
        unpacked = []
        for line, cells, kind, said, notes, member_id, changed, chosen, unable in rows:
            remarks = _unpack_remarks(said, notes, unable)
            unpacked.append(
                MatchedRow(line, cells, kind, *remarks[:2], member_id, changed, chosen, remarks[2])
            )
        return cls.of(unpacked)


def pack_json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, default=Message.to_json)
    return zlib.compress(text.encode(), level=1)


def _pack_block(block: Block) -> bytes:
    cells, remarks = block
    return pack_json([cells, list(remarks.items())])


def _unpack_block(packed: bytes) -> Block:
    cells, remarks = json.loads(zlib.decompress(packed))
    return cells, {place: _unpack_remarks(*stored) for place, stored in remarks}


def _unpack_remarks(said: Any, notes: list[Any], unable: Any) -> Remarks:
    return (
        Message.from_json(said) if said else None,
        list(map(Message.from_json, notes)),
        Message.from_json(unable) if unable else None,
    )
