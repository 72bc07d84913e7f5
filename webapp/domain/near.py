"""Members whose username or email is nearly what a row says, for the rows in view (B-17)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA
from sqlalchemy import ColumnElement, Select, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from webapp.database import db
from webapp.database.given import among
from webapp.domain.keys import fold
from webapp.domain.preview import ERROR, Line, Preview
from webapp.domain.spreadsheets.formulas import plain_cell
from webapp.models import Member

DISTANCE = 2  # edits: a character more, less or another, or two neighbours swapped
MOST = 3
NEIGHBOURS = 40  # that are looked at on either side of a key, in the order of keys
EDITED = 24  # characters of a key in which one edit is tried
SHAKEN = 12  # and two of those that need no new letter
LONGEST = 100  # letters of a key; nothing is near a longer one
ROOM = 6_000_000  # bytes of edited keys that one query asks for, shared equally by its keys
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789._-"

Key = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]


@dataclass(frozen=True)
class Near:
    """A member for a row, and the words by which two alike ones are told apart."""

    member: Member
    words: str


def near(preview: Preview, lines: Iterable[Line]) -> dict[int, list[Near]]:
    """Up to three members for each of the lines that has none, by line: the nearest first, then by what matched.

    Five queries for any number of lines, each answered by an index. Every member one edit away is found, where the
    edit stands in the first 24 characters and brings a letter a to z, a digit or one of `._-`. Of those two edits
    away, the ones that two dropped or swapped characters among the first 12 explain, and the ones whose key is among
    the 40 before or after in byte order, that is whose edits stand behind what few others begin with.

    What it costs is bounded: keys of more than 100 letters have no matches, and of many long keys only the likeliest
    edits are tried.
    """
    wanted = {line.line: _texts(preview, line) for line in lines if _needs(line)}
    matches: dict[int, list[_Match]] = {line: [] for line in wanted}
    for place, column in enumerate((Member.username_key, Member.email_key)):
        keys = sorted({texts[place] for texts in wanted.values() if texts[place]})
        candidates = _candidates(column, keys)
        for line, texts in wanted.items():
            matches[line] += _within(texts[place], candidates, by_email=place == 1)
    best = {line: _best(some) for line, some in matches.items() if some}
    ids = sorted({match.member_id for some in best.values() for match in some})
    query = select(Member).where(among(Member.id, ids))
    members = {one.id: one for one in db.session.scalars(query)} if ids else {}
    return {
        line: [_shown(members[one.member_id], one.by_email) for one in some]
        for line, some in best.items()
    }


def usernames(names: list[str], limit: int = MOST) -> dict[str, list[Member]]:
    """Up to `limit` members whose username is nearly one of the names, by name, the nearest first (M-9).

    Three queries for any number of names; found is what `near` finds. A name without any is absent.
    """
    keys = {name: fold(name) for name in names}
    wanted = sorted({key for key in keys.values() if 0 < len(key) <= LONGEST and "\x00" not in key})
    candidates = _candidates(Member.username_key, wanted)
    best = {
        name: _best(list(_within(key, candidates, by_email=False)))[:limit]
        for name, key in keys.items()
        if len(key) <= LONGEST
    }
    ids = sorted({match.member_id for some in best.values() for match in some})
    query = select(Member).where(among(Member.id, ids))
    members = {one.id: one for one in db.session.scalars(query)} if ids else {}
    return {name: [members[one.member_id] for one in some] for name, some in best.items() if some}


class _Match(NamedTuple):
    distance: int
    key: str
    by_email: bool
    member_id: int


def _needs(line: Line) -> bool:
    """Whether a row is in error for want of a member; one that can't be read has to be mended."""
    return line.kind == ERROR and bool(line.note)


def _texts(preview: Preview, line: Line) -> tuple[str, str]:
    """The keys of a row's username and email; "" where it has none, or one too long for anybody's."""
    texts = []
    for field in ("username", "email"):
        place = preview.columns.get(field, len(line.cells))
        key = fold(plain_cell(line.cells[place].strip())) if place < len(line.cells) else ""
        texts.append(key if len(key) <= LONGEST and "\x00" not in key else "")
    return texts[0], texts[1]


def _candidates(column: Key, keys: list[str]) -> dict[str, int]:
    """Keys of the directory that may be near, with their members' ids; two queries."""
    if not keys:
        return {}
    room = ROOM // len(keys)
    edited = sorted({edit for key in keys for edit in islice(_edited(key), room // _size(key))})
    pairs = chain(
        db.session.execute(select(column, Member.id).where(among(column, edited))),
        db.session.execute(union_all(*chain.from_iterable(_around(column, key) for key in keys))),
    )
    return {key: member_id for key, member_id in pairs if key}


def _around(column: Key, key: str) -> Iterator[Select[Any]]:
    """The members before and after a key in byte order: those that share most of its beginning."""
    sides: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [
        (column >= key, column.asc()),
        (column < key, column.desc()),
    ]
    for side, order in sides:
        limited = select(column.label("key"), Member.id).where(side).order_by(order)
        yield select(limited.limit(NEIGHBOURS).subquery())


def _size(key: str) -> int:
    return len(key.encode(errors="surrogatepass"))


def _edited(key: str) -> Iterator[str]:
    """The key itself, two edits that need no new letter, then one of any kind; the likeliest first.

    After Peter Norvig, "How to Write a Spelling Corrector" (2007).
    """
    yield key
    yield from _shaken(key, EDITED)
    for shaken in _shaken(key, SHAKEN):
        yield from _shaken(shaken, SHAKEN)
    letters = sorted(set(LETTERS + key[:EDITED]))
    for place in range(min(len(key), EDITED) + 1):
        head, tail = key[:place], key[place:]
        for letter in letters:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]


def _shaken(key: str, most: int) -> Iterator[str]:
    """The key with one of its first `most` characters less, or swapped with the next."""
    for place in range(min(len(key), most)):
        yield key[:place] + key[place + 1 :]
        yield key[:place] + key[place + 1 : place + 2] + key[place] + key[place + 2 :]


def _within(key: str, candidates: dict[str, int], by_email: bool) -> Iterator[_Match]:
    """The candidates near enough; of a name of two letters one must stay."""
    if key:
        most = min(DISTANCE, len(key) - 1)
        found = process.extract_iter(key, list(candidates), scorer=OSA.distance, score_cutoff=most)
        for other, distance, _ in found:
            yield _Match(int(distance), other, by_email, candidates[other])


def _best(matches: list[_Match]) -> list[_Match]:
    """The nearest of a row, each member once."""
    once: dict[int, _Match] = {}
    for match in sorted(matches):
        once.setdefault(match.member_id, match)
    return list(once.values())[:MOST]


def _shown(member: Member, by_email: bool) -> Near:
    return Near(member, (member.email or "") if by_email else member.name)
