"""Search members by text: the start of an ID, username or email, or of words of a name.

These are alternatives. Each has its own index, in which its matches are a range; the order by match chains the ranges,
with each member at their first match.

Statements depend only on the number of words of the text: what is searched for is in `parameters`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Exists,
    Select,
    and_,
    bindparam,
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
BEYOND = "\U0010ffff" * 1_000  # sorts after every key

Column = Any  # of the members' table

# The identifying columns, each with the name of the parameter that it is compared with.
COLUMNS: tuple[tuple[Column, str], ...] = (
    (Member.username_key, "username"),
    (Member.email_key, "email"),
    (Member.external_id, "external_id"),
)


class Run(NamedTuple):
    """Members that match one alternative and none before it, in the order of `columns`, its index."""

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


def parameters(text: str) -> dict[str, Any]:
    """Return the values of the parameters of these statements."""
    begun = {name: prefix for (_, name), (_, prefix) in zip(COLUMNS, prefixes(text), strict=True)}
    begun |= {f"word{place}": word for place, word in enumerate(_words(text))}
    return {key: value for one in begun.items() for key, value in bounds(*one).items()}


def bounds(name: str, prefix: str) -> dict[str, str]:
    """Return the parameters of `begins`."""
    return {name: prefix, f"{name}_end": _upper_bound(prefix) or BEYOND}


def count_words(text: str) -> int:
    """Return the number of words that are searched."""
    return len(_words(text))


def begins(column: Column, name: str) -> ColumnElement[bool]:
    """True if the column starts with the parameter."""
    return and_(column >= bindparam(name), column < bindparam(f"{name}_end"))


def matches(words: int) -> ColumnElement[bool]:
    return or_(*_alternatives(words))


def exactly() -> tuple[ColumnElement[bool], ...]:
    """Return conditions for an exact username, email or ID; each matches at most one member."""
    return tuple(column == bindparam(name) for column, name in COLUMNS)


def candidate_queries(words: int) -> Iterator[list[tuple[Column, Select[int]]]]:
    """Yield queries whose union covers all matches and some more: one per column, and one for a word.

    Each comes with the column whose range it is. One list for each word of the text, because any of them may be the
    rarest.
    """
    columns = [(column, select(Member.id).where(begins(column, name))) for column, name in COLUMNS]
    for place in range(words):
        named = select(MemberWord.member_id.label("id"))
        word = MemberWord.word
        yield [*columns, (word, named.where(begins(word, f"word{place}")))]
    if not words:
        yield columns


def match(words: int, *, met: bool = False) -> tuple[ColumnElement[int], ColumnElement[str]]:
    """Return the sort key of the order by match: a member's first matching alternative, and their key in it.

    If only members for whom `matches` is true are read (`met`), the last alternative needs no check: it looks up words.
    """
    alternatives = _alternatives(words)
    keys: list[Any] = [column for column, _ in COLUMNS]
    if words:
        keys.append(_first_word())
    places: list[Any] = [literal_column(str(number)) for number in range(len(keys))]
    otherwise = (places[-1], keys[-1]) if met else (literal_column("9"), literal(""))
    checked = alternatives[:-1] if met else alternatives
    place, key = (
        case(*zip(checked, values, strict=False), else_=last)
        for values, last in zip((places, keys), otherwise, strict=True)
    )
    return place, key


def range_count(words: int) -> int:
    return len(COLUMNS) + bool(words)


def ranked_range(place: int, words: int, names: int | None = None) -> Run:
    """Return an alternative's range, for the order by match; of the names' range at most the first `names` rows."""
    met = _alternatives(words)[:place]
    if place < len(COLUMNS):
        column, name = COLUMNS[place]
        return Run((column,), select(Member.id).where(begins(column, name), *map(not_, met)))
    named: Any = MemberWord if names is None else _first_named(names)
    other_words = [_has_word(place) for place in range(1, words)]
    earlier = _there_is_word(begins(_OTHER.word, "word0"), _OTHER.word < named.word, of=named)
    query = (
        select(Member.id)
        .select_from(named)
        .join(Member, Member.id == named.member_id)
        .where(begins(named.word, "word0"), not_(earlier), *other_words, *map(not_, met))
    )
    return Run((named.word, named.member_id), query)


def _first_named(number: int) -> Any:
    rows = select(MemberWord).where(begins(MemberWord.word, "word0"))
    rows = rows.order_by(MemberWord.word, MemberWord.member_id).limit(number)
    return aliased(MemberWord, rows.subquery("first_named"))


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


def _alternatives(words: int) -> list[ColumnElement[bool]]:
    """Return the alternatives as conditions on a member: three columns, and one requiring every word of the name."""
    conditions: list[ColumnElement[bool]] = [
        func.coalesce(begins(no_index(column), name), literal_column("false"))
        for column, name in COLUMNS
    ]
    named = [_has_word(place) for place in range(words)]
    return [*conditions, and_(*named)] if named else conditions


_OTHER = MemberWord.__table__.alias("other_words").c


def _has_word(place: int) -> Exists:
    return _there_is_word(begins(_OTHER.word, f"word{place}"), of=Member)


def _there_is_word(*conditions: ColumnElement[bool], of: Any) -> Exists:
    whose = Member.id if of is Member else of.member_id
    return exists_fenced(_OTHER.member_id == whose, *conditions, of=of)


def _first_word() -> Any:
    query = select(func.min(_OTHER.word)).where(
        _OTHER.member_id == Member.id, begins(_OTHER.word, "word0")
    )
    return query.correlate(Member).scalar_subquery()


def exists_fenced(*conditions: ColumnElement[bool], of: Any = Member) -> Exists:
    """Test for a row related to the member; OFFSET keeps PostgreSQL from making it a join, which may scan the table."""
    row: Select[Any] = select(literal_column("1")).where(*conditions)
    return exists(row.correlate(of).offset(literal_column("0")))
