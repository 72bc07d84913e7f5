"""Members whose username or email is nearly what a row says, for the rows in view (B-17)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from rapidfuzz import process
from rapidfuzz.distance import OSA
from sqlalchemy import ColumnElement, Select, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.batches.preview import ERROR, Line, Preview
from webapp.domain.csv_files.cell_values import email
from webapp.domain.csv_files.rows import row_of
from webapp.domain.csv_files.spreadsheet_hints import ZEROS, between, originals
from webapp.domain.normalization import fold
from webapp.models import Member

DISTANCE = 2  # edits: a character more, less or another, or two neighbours swapped
MOST = 3
NEIGHBOURS = 40  # that are looked at on either side of a key, in the order of keys
EDITED = 24  # characters of a key in which one edit is tried
SHAKEN = 12  # and two of those that need no new letter
LONGEST = 100  # letters of a key; nothing is near a longer one
ROOM = 6_000_000  # bytes of edited keys that one query asks for, shared equally by its keys
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789._-"

FIRST = 1_000_000  # what a spreadsheet changed comes before what is misspelled

Name = TypeVar("Name", bound=Hashable)
Key = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]


@dataclass(frozen=True)
class Near:
    """A member for a row, and the words by which two alike ones are told apart."""

    member: Member
    words: str


def near(preview: Preview, lines: Iterable[Line]) -> dict[int, list[Near]]:
    """Up to three members for each of the lines that has none, by line: the nearest first, then by what matched.

    First come those whose ID, username or email a spreadsheet may have changed to what the row says (`hints`), and
    those whom it names in the wrong column. Then those whose username or email is a few edits away: every member one
    edit away is found, where the edit stands in the first 24 characters and brings a letter a to z, a digit or one of
    `._-`. Of those two edits away, the ones that two dropped or swapped characters among the first 12 explain, and the
    ones whose key is among the 40 before or after in byte order, that is whose edits stand behind what few others
    begin with.

    At most nine queries for any number of lines, each answered by an index. What it costs is bounded: keys of more
    than 100 letters have no matches, and of many long keys only the likeliest edits are tried.
    """
    wanted = {line.line: _texts(preview, line) for line in lines if _needs(line)}
    matches = _originals({line: list(texts) for line, texts in wanted.items()})
    for column, by_email in ((Member.username_key, False), (Member.email_key, True)):
        keys = {line: _key(texts[1 + by_email]) for line, texts in wanted.items()}
        if by_email:  # an address in the column of usernames
            for line, (_, username, _) in wanted.items():
                keys[line] = keys[line] or (_key(email(username).text) if "@" in username else "")
        candidates = _candidates(column, sorted(set(filter(None, keys.values()))))
        for line, key in keys.items():
            matches[line] += _within(key, candidates, by_email=by_email)
    best = {line: _best(some) for line, some in matches.items() if some}
    members = _members(best.values())
    return {
        line: [_shown(members[match.member_id], match) for match in some]
        for line, some in best.items()
    }


def usernames(names: list[str], limit: int = MOST) -> dict[str, list[Member]]:
    """Up to `limit` members whose username is nearly one of the names, by name, the nearest first (M-9).

    At most six queries for any number of names; found is what `near` finds. A name without any is absent.
    """
    keys = {name: _key(name) for name in names}
    matches = _originals({name: ["", name, ""] for name in names})
    candidates = _candidates(Member.username_key, sorted(set(filter(None, keys.values()))))
    for name, key in keys.items():
        matches[name] += _within(key, candidates, by_email=False)
    best = {name: _best(some)[:limit] for name, some in matches.items() if some}
    members = _members(best.values())
    return {name: [members[one.member_id] for one in some] for name, some in best.items()}


class _Match(NamedTuple):
    distance: int
    key: str
    by_email: bool
    member_id: int
    why: str = ""


def _needs(line: Line) -> bool:
    """Whether a row is in error for want of a member; one that can't be read has to be mended."""
    return line.kind == ERROR and bool(line.note)


def _key(text: str) -> str:
    """The key of a username or email, or "" for one too long for anybody's."""
    key = fold(text)
    return key if len(key) <= LONGEST else ""


def _texts(preview: Preview, line: Line) -> tuple[str, str, str]:
    """A row's ID, username and email, cleaned; "" for one that it lacks."""
    values = {
        field: line.cells[place]
        for field, place in preview.columns.items()
        if place < len(line.cells)
    }
    row = row_of(line.line, values, line.cells)
    return row.external_id, row.username, row.email


def _members(found: Iterable[list[_Match]]) -> dict[int, Member]:
    ids = sorted({match.member_id for some in found for match in some})
    query = select(Member).where(in_array(Member.id, ids))
    return {one.id: one for one in db.session.scalars(query)} if ids else {}


def _originals(rows: Mapping[Name, list[str]]) -> dict[Name, list[_Match]]:  # noqa: C901
    """The members whom the ID, username and email of rows may have named before a spreadsheet changed them.

    And those whom a row names in the wrong column: an email among the usernames, an ID among them.
    """
    ids: dict[str, list[tuple[Name, int]]] = {}
    usernames_: dict[str, list[tuple[Name, int]]] = {}
    emails: dict[str, list[tuple[Name, int]]] = {}
    for row, (external_id, username, address) in rows.items():
        for place, text in enumerate(originals(external_id)):
            ids.setdefault(text, []).append((row, place))
        for place, text in enumerate(originals(username)):
            usernames_.setdefault(_key(text), []).append((row, place))
        for text in filter(None, (external_id, username)):
            if "@" in text:
                emails.setdefault(_key(email(text).text), []).append((row, 0))
        if username and not external_id:
            ids.setdefault(username, []).append((row, 0))
        for text in filter(None, (external_id, address)):
            if not username and "@" not in text:
                usernames_.setdefault(_key(text), []).append((row, 0))
    found: dict[Name, list[_Match]] = {row: [] for row in rows}
    columns: tuple[tuple[Key, dict[str, list[tuple[Name, int]]]], ...] = (
        (Member.external_id, ids),
        (Member.username_key, usernames_),
        (Member.email_key, emails),
    )
    for column, wanted in columns:
        wanted.pop("", None)
        keys = sorted(key for key in wanted if len(key) <= LONGEST)
        if not keys:
            continue
        query = select(column, Member.id, Member.external_id).where(in_array(column, keys))
        for key, member_id, external_id in db.session.execute(query):
            for row, place in wanted[key or ""]:
                why = _why(rows[row][0], external_id) if column is Member.external_id else ""
                match = _Match(place - FIRST, key or "", column is Member.email_key, member_id, why)
                found[row].append(match)
    _shortened(rows, found)
    return found


def _why(written: str, external_id: str) -> str:
    """Why a member's ID may be what is written, in words."""
    if written.isdigit() and external_id.lstrip("0") == written:
        return f"ID {external_id}; {ZEROS}"
    return f"ID {external_id}"


def _shortened(rows: Mapping[Name, list[str]], found: dict[Name, list[_Match]]) -> None:
    """Add the members whose ID a spreadsheet may have shortened to what a row says; one query."""
    ranges = {row: within for row, texts in rows.items() if (within := between(texts[0]))}
    parts = [
        select(literal(place).label("place"), Member.id, Member.external_id)
        .where(
            Member.external_id.between(*within),
            func.length(Member.external_id) == len(within[0]),
        )
        .order_by(Member.external_id)
        .limit(NEIGHBOURS)
        .subquery()
        for place, within in enumerate(ranges.values())
    ]
    if not parts:
        return
    names = list(ranges)
    for place, member_id, external_id in db.session.execute(union_all(*map(select, parts))):
        row = names[place]
        low, high = ranges[row]
        if external_id.isdigit() and low <= external_id <= high and external_id != rows[row][0]:
            found[row].append(_Match(-1, external_id, False, member_id, f"ID {external_id}"))


def _candidates(column: Key, keys: list[str]) -> dict[str, int]:
    """Keys of the directory that may be near, with their members' ids; two queries."""
    if not keys:
        return {}
    room = ROOM // len(keys)
    edited = sorted({edit for key in keys for edit in islice(_edited(key), room // _size(key))})
    pairs = chain(
        db.session.execute(select(column, Member.id).where(in_array(column, edited))),
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


def _shown(member: Member, match: _Match) -> Near:
    if match.why:
        return Near(member, match.why)
    return Near(member, (member.email or "") if match.by_email else member.name)
