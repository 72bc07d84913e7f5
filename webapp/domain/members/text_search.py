"""Search members by text: the start of an ID, username or email, or of words of a name.

These are alternatives. Each has its own index, in which its matches are a range; the order by match chains the ranges,
with each member at their first match.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Exists,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from webapp.domain.normalization import fold, search_words, searchable
from webapp.models import Member, MemberWord

MOST_WORDS = 5  # words searched, longest first; more add little

Column = Any  # of the members' table


class Run(NamedTuple):
    """Members that match one alternative and none before it, in the order of `columns`, its index."""

    place: int
    columns: tuple[Column, ...]
    members: Select[Any]


def begins_with(column: Column, prefix: str) -> ColumnElement[bool]:
    """True if the column starts with `prefix`, as a range in byte order that its index answers."""
    after = _upper_bound(prefix)
    return and_(column >= prefix, column < after) if after else column >= prefix


def _upper_bound(prefix: str) -> str:
    """Return the smallest text after all those with this prefix; "" if there is none."""
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return ""
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)


def matches(text: str) -> ColumnElement[bool]:
    return or_(*_alternatives(text))


def exactly(text: str) -> tuple[ColumnElement[bool], ...]:
    """Return conditions for an exact ID, username or email; each matches at most one member."""
    return tuple(column == value for column, value in prefixes(text))


def candidate_queries(text: str) -> Iterator[list[Select[int]]]:
    """Yield queries whose union covers all matches and some more: one per column, and one for a word.

    One list for each word of the text, because any of them may be the rarest.
    """
    columns = [
        select(Member.id).where(begins_with(column, part)) for column, part in prefixes(text)
    ]
    for word in _words(text) or [""]:
        named = select(MemberWord.member_id.label("id")).where(begins_with(MemberWord.word, word))
        yield [*columns, named] if word else columns


def match(text: str) -> tuple[ColumnElement[int], ColumnElement[str]]:
    """Return the sort key of the order by match: a member's first matching alternative, and their key in it."""
    met = _alternatives(text)
    keys: list[Any] = [column for column, _ in prefixes(text)]
    if len(met) > len(keys):
        keys.append(_first_word(_words(text)[0]))
    steps = list(zip(met, range(len(met)), keys, strict=True))
    place = case(
        *((condition, literal_column(str(number))) for condition, number, _ in steps), else_=9
    )
    return place, case(*((condition, key) for condition, _, key in steps), else_=literal(""))


def ranked_ranges(text: str, names: int | None = None) -> Iterator[Run]:
    """Yield each alternative's range, for the order by match; of the names' range at most the first `names` rows."""
    met = _alternatives(text)
    for place, (column, prefix) in enumerate(prefixes(text)):
        query = select(Member.id).where(begins_with(column, prefix))
        yield Run(place, (column,), query.where(*map(not_, met[:place])))
    words = _words(text)
    if words:
        place = len(prefixes(text))
        named: Any = MemberWord if names is None else _first_named(words[0], names)
        other_words = [_has_word(word) for word in words[1:]]
        earlier = _there_is_word(
            begins_with(_OTHER.word, words[0]), _OTHER.word < named.word, of=named
        )
        query = (
            select(Member.id)
            .select_from(named)
            .join(Member, Member.id == named.member_id)
            .where(begins_with(named.word, words[0]), not_(earlier), *other_words)
        )
        yield Run(place, (named.word, named.member_id), query.where(*map(not_, met[:place])))


def _first_named(word: str, number: int) -> Any:
    rows = select(MemberWord).where(begins_with(MemberWord.word, word))
    rows = rows.order_by(MemberWord.word, MemberWord.member_id).limit(number)
    return aliased(MemberWord, rows.subquery("first_named"))


def is_one_word(text: str) -> bool:
    return len(_words(text)) <= 1


def no_index(column: Column) -> Any:
    """Wrap the column in an expression that no index has."""
    return func.coalesce(column, column, type_=column.type)


def prefixes(text: str) -> list[tuple[Column, str]]:
    """Return the identifying columns, each with its prefix to search."""
    key = fold(text)
    return [
        (Member.username_key, key.removeprefix("@") or key),
        (Member.email_key, key),
        (Member.external_id, searchable(text).strip()),
    ]


def _words(text: str) -> list[str]:
    """Return the word prefixes to search, longest first because they match least."""
    words = search_words(searchable(text))
    return sorted(words, key=lambda word: (-len(word), word))[:MOST_WORDS]


def _alternatives(text: str) -> list[ColumnElement[bool]]:
    """Return the alternatives as conditions on a member: three columns, and one requiring every word of the name."""
    conditions: list[ColumnElement[bool]] = [
        func.coalesce(begins_with(no_index(column), prefix), literal_column("false"))
        for column, prefix in prefixes(text)
    ]
    words = [_has_word(word) for word in _words(text)]
    return [*conditions, and_(*words)] if words else conditions


_OTHER = MemberWord.__table__.alias("other_words").c


def _has_word(word: str) -> Exists:
    return _there_is_word(begins_with(_OTHER.word, word), of=Member)


def _there_is_word(*conditions: ColumnElement[bool], of: Any) -> Exists:
    whose = Member.id if of is Member else of.member_id
    return exists_fenced(_OTHER.member_id == whose, *conditions, of=of)


def _first_word(word: str) -> Any:
    query = select(func.min(_OTHER.word)).where(
        _OTHER.member_id == Member.id, begins_with(_OTHER.word, word)
    )
    return query.correlate(Member).scalar_subquery()


def exists_fenced(*conditions: ColumnElement[bool], of: Any = Member) -> Exists:
    """Test for a row related to the member; OFFSET keeps PostgreSQL from making it a join, which may scan the table."""
    row: Select[Any] = select(literal_column("1")).where(*conditions)
    return exists(row.correlate(of).offset(literal_column("0")))
