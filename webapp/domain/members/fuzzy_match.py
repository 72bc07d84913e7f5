"""Find members whose ID, username or email is similar to the input (B-17, M-9)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from rapidfuzz import process
from rapidfuzz.distance import OSA
from sqlalchemy import ColumnElement, Select, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.csv_files.cell_values import email
from webapp.domain.csv_files.spreadsheet_hints import between, originals
from webapp.domain.normalization import fold
from webapp.messages import Message, message
from webapp.models import Member

DISTANCE = 2  # edits: insert, delete or replace a character, or swap two neighbors
MOST = 3
NEIGHBOURS = 40  # keys compared on either side in byte order
EDITED = 24  # characters of a key in which one edit is tried
SHAKEN = 12  # characters in which two edits that insert no letter are tried
LONGEST = 100  # letters of a key; longer ones have no matches
ROOM = 6_000_000  # bytes of edited keys per query, divided equally among its keys
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789._-"

FIRST = 1_000_000  # ranks values changed by a spreadsheet before misspelled ones

Name = TypeVar("Name", bound=Hashable)
Key = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]


def usernames(names: list[str], limit: int = MOST) -> dict[str, list[Member]]:
    """Return up to `limit` members with similar usernames by name, closest first (M-9).

    At most six queries for any number of names; see `find_candidates`. Names without a match are left out.
    """
    keys = {name: key_of(name) for name in names}
    matches = originals_of({name: ["", name, ""] for name in names})
    candidates = find_candidates(Member.username_key, sorted(set(filter(None, keys.values()))))
    for name, key in keys.items():
        matches[name] += within_distance(key, candidates, by_email=False)
    best = {name: nearest(similar)[:limit] for name, similar in matches.items() if similar}
    members = members_of(best.values())
    return {name: [members[match.member_id] for match in matches] for name, matches in best.items()}


class Match(NamedTuple):
    distance: int
    key: str
    by_email: bool
    member_id: int
    why: Message | None = None


def key_of(text: str) -> str:
    """Return the key of a username or email, or "" if it is too long to match."""
    key = fold(text)
    return key if len(key) <= LONGEST else ""


def members_of(match_lists: Iterable[list[Match]]) -> dict[int, Member]:
    ids = sorted({match.member_id for matches in match_lists for match in matches})
    query = select(Member).where(in_array(Member.id, ids))
    return {member.id: member for member in db.session.scalars(query)} if ids else {}


def originals_of(rows: Mapping[Name, list[str]]) -> dict[Name, list[Match]]:
    """Return the members that a row's ID, username and email may have named before a spreadsheet changed them.

    Includes members named in the wrong column: an email or an ID as a username.
    """
    columns: tuple[Key, ...] = (Member.external_id, Member.username_key, Member.email_key)
    wanted: dict[Key, dict[str, list[tuple[Name, int]]]] = {column: {} for column in columns}
    for row, texts in rows.items():
        for column, key, place in _possible_keys(*texts):
            if 0 < len(key) <= LONGEST:
                wanted[column].setdefault(key, []).append((row, place))
    found: dict[Name, list[Match]] = {row: [] for row in rows}
    for column in filter(wanted.get, columns):
        query = select(column, Member.id, Member.external_id)
        query = query.where(in_array(column, sorted(wanted[column])))
        for value, member_id, external_id in db.session.execute(query):
            key = value or ""
            for row, place in wanted[column][key]:
                why = _why(rows[row][0], external_id) if column is Member.external_id else None
                match = Match(place - FIRST, key, column is Member.email_key, member_id, why)
                found[row].append(match)
    _shortened(rows, found)
    return found


def _possible_keys(external_id: str, username: str, address: str) -> Iterator[tuple[Key, str, int]]:
    """Yield the keys that a row may have meant: column, key, and rank (0 is likeliest)."""
    for place, text in enumerate(originals(external_id)):
        yield Member.external_id, text, place
    for place, text in enumerate(originals(username)):
        yield Member.username_key, key_of(text), place
    for text in (external_id, username):
        if "@" in text:
            yield Member.email_key, key_of(email(text).text), 0
    if username and not external_id:
        yield Member.external_id, username, 0
    for text in (external_id, address):
        if not username and "@" not in text:
            yield Member.username_key, key_of(text), 0


def _why(written: str, external_id: str) -> Message:
    """Explain why a member's ID may be the one written."""
    if written.isdigit() and external_id.lstrip("0") == written:
        return message("rows.candidate_zeros", id=external_id)
    return message("rows.candidate", id=external_id)


def _shortened(rows: Mapping[Name, list[str]], matches: dict[Name, list[Match]]) -> None:
    """Add members whose ID a spreadsheet may have shortened to a row's value; one query."""
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
            matches[row].append(
                Match(-1, external_id, False, member_id, message("rows.candidate", id=external_id))
            )


def find_candidates(column: Key, keys: list[str]) -> dict[str, int]:
    """Return keys in the directory that may be similar, with their members' IDs; two queries."""
    if not keys:
        return {}
    room = ROOM // len(keys)
    edited = sorted({edit for key in keys for edit in islice(_edits(key), room // _size(key))})
    pairs = chain(
        db.session.execute(select(column, Member.id).where(in_array(column, edited))),
        db.session.execute(union_all(*chain.from_iterable(_around(column, key) for key in keys))),
    )
    return {key: member_id for key, member_id in pairs if key}


def _around(column: Key, key: str) -> Iterator[Select[Any]]:
    """Yield queries for the neighbors of a key in byte order: those that share the longest prefix."""
    sides: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [
        (column >= key, column.asc()),
        (column < key, column.desc()),
    ]
    for side, order in sides:
        limited = select(column.label("key"), Member.id).where(side).order_by(order)
        yield select(limited.limit(NEIGHBOURS).subquery())


def _size(key: str) -> int:
    return len(key.encode(errors="surrogatepass"))


def _edits(key: str) -> Iterator[str]:
    """Yield the key, its variants by two edits that insert no letter, then by any one edit; likeliest first.

    After Peter Norvig, "How to Write a Spelling Corrector" (2007).
    """
    yield key
    yield from _without_new_letters(key, EDITED)
    for shaken in _without_new_letters(key, SHAKEN):
        yield from _without_new_letters(shaken, SHAKEN)
    letters = sorted(set(LETTERS + key[:EDITED]))
    for place in range(min(len(key), EDITED) + 1):
        head, tail = key[:place], key[place:]
        for letter in letters:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]


def _without_new_letters(key: str, most: int) -> Iterator[str]:
    """Yield the key with one of its first `most` characters deleted or swapped with the next."""
    for place in range(min(len(key), most)):
        yield key[:place] + key[place + 1 :]
        yield key[:place] + key[place + 1 : place + 2] + key[place] + key[place + 2 :]


def within_distance(key: str, candidates: dict[str, int], by_email: bool) -> Iterator[Match]:
    """Yield the candidates within DISTANCE; a name of two letters must keep one."""
    if key:
        most = min(DISTANCE, len(key) - 1)
        extracted = process.extract_iter(
            key, list(candidates), scorer=OSA.distance, score_cutoff=most
        )
        for candidate, distance, _ in extracted:
            yield Match(int(distance), candidate, by_email, candidates[candidate])


def nearest(matches: list[Match]) -> list[Match]:
    once: dict[int, Match] = {}
    for match in sorted(matches):
        once.setdefault(match.member_id, match)
    return list(once.values())[:MOST]
