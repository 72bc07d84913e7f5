"""What somebody types to find members: the beginning of an ID, a username, an email, or of words of a name.

These are alternatives. Each stands in an index of its own, where those who meet it are a range; the order by match puts
the ranges one after the other, each member at the first that they meet.
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

from webapp.domain.normalization import fold, search_words, searchable
from webapp.models import Member, MemberWord

MOST_WORDS = 5  # that are looked for, the longest; who types more has found whom they mean

Column = Any  # of the members' table


class Run(NamedTuple):
    """Those who meet one alternative and none before it; `columns` are its index, by which they are in order."""

    place: int
    columns: tuple[Column, ...]
    members: Select[Any]


def begins_with(column: Column, prefix: str) -> ColumnElement[bool]:
    """The column's text begins with `prefix`: as a range in byte order, which its index answers."""
    after = _after(prefix)
    return and_(column >= prefix, column < after) if after else column >= prefix


def _after(prefix: str) -> str:
    """The least text that comes after all texts with this prefix; "" where there is none."""
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return ""
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)


def named(text: str) -> ColumnElement[bool]:
    return or_(*_met(text))


def exactly(text: str) -> tuple[ColumnElement[bool], ...]:
    """The ID, the username, or the email is just this; each is one member at most."""
    return tuple(column == value for column, value in prefixes(text))


def candidate_queries(text: str) -> Iterator[list[Select[int]]]:
    """Ids that together are all who meet the text, and some more: those by each column, and those by one word.

    One list for every word of the text, as any of them may be the one that fewest names have.
    """
    columns = [
        select(Member.id).where(begins_with(column, part)) for column, part in prefixes(text)
    ]
    for word in _words(text) or [""]:
        named = select(MemberWord.member_id.label("id")).where(begins_with(MemberWord.word, word))
        yield [*columns, named] if word else columns


def match(text: str) -> tuple[ColumnElement[int], ColumnElement[str]]:
    """What the order by match goes by: the first alternative that a member meets, and their key there."""
    met = _met(text)
    keys: list[Any] = [column for column, _ in prefixes(text)]
    if len(met) > len(keys):
        keys.append(_first_word(_words(text)[0]))
    steps = list(zip(met, range(len(met)), keys, strict=True))
    place = case(
        *((condition, literal_column(str(number))) for condition, number, _ in steps), else_=9
    )
    return place, case(*((condition, key) for condition, _, key in steps), else_=literal(""))


def ranked_ranges(text: str) -> Iterator[Run]:
    """Each alternative by itself: the ranges that the order by match goes through."""
    met = _met(text)
    for place, (column, prefix) in enumerate(prefixes(text)):
        query = select(Member.id).where(begins_with(column, prefix))
        yield Run(place, (column,), query.where(*map(not_, met[:place])))
    words = _words(text)
    if words:
        place = len(prefixes(text))
        other_words = [_has_word(word) for word in words[1:]]
        earlier = _there_is_word(
            begins_with(_OTHER.word, words[0]), _OTHER.word < MemberWord.word, of=MemberWord
        )
        query = (
            select(Member.id)
            .select_from(MemberWord)
            .join(Member, Member.id == MemberWord.member_id)
            .where(begins_with(MemberWord.word, words[0]), not_(earlier), *other_words)
        )
        columns = (MemberWord.word, MemberWord.member_id)
        yield Run(place, columns, query.where(*map(not_, met[:place])))


def no_index(column: Column) -> Any:
    """The column's value, and no way to find rows by it: no index has the expression."""
    return func.coalesce(column, column, type_=column.type)


def prefixes(text: str) -> list[tuple[Column, str]]:
    """The columns that identify a member, each with the prefix to look for in it."""
    key = fold(text)
    return [
        (Member.username_key, key.removeprefix("@") or key),
        (Member.email_key, key),
        (Member.external_id, searchable(text).strip()),
    ]


def _words(text: str) -> list[str]:
    """The beginnings of words that are looked for, the longest first: it is met least."""
    words = search_words(searchable(text))
    return sorted(words, key=lambda word: (-len(word), word))[:MOST_WORDS]


def _met(text: str) -> list[ColumnElement[bool]]:
    """The alternatives as conditions on a member: three columns, and for every word one of the name."""
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
    whose = Member.id if of is Member else MemberWord.member_id
    return exists_fenced(_OTHER.member_id == whose, *conditions, of=of)


def _first_word(word: str) -> Any:
    query = select(func.min(_OTHER.word)).where(
        _OTHER.member_id == Member.id, begins_with(_OTHER.word, word)
    )
    return query.correlate(Member).scalar_subquery()


def exists_fenced(*conditions: ColumnElement[bool], of: Any = Member) -> Exists:
    """A row beside the member; the offset keeps PostgreSQL from making a join of it, which may read all there is."""
    row: Select[Any] = select(literal_column("1")).where(*conditions)
    return exists(row.correlate(of).offset(literal_column("0")))
