"""Autocomplete usernames (B-18)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, select

from webapp.database import db, table
from webapp.domain.members import text_search
from webapp.domain.normalization import fold
from webapp.models import Member

MOST = 10
LONGEST = 570  # longest possible key, in characters


class Suggestion(NamedTuple):
    """What is shown of a member."""

    id: int
    username: str
    name: str

    @property
    def display_name(self) -> str:
        return self.name or self.username


def usernames(text: str, most: int = MOST) -> list[Suggestion]:
    """Return the first `most` members by username that start with `text`; none for "".

    One query on a range of the index, so its cost doesn't depend on the number of
    members; none for blank or very long text. A leading @ takes a second query without it.
    """
    key = fold(text)
    if not key or len(key) > LONGEST:
        return []
    members = _beginning(key, most)
    if key[0] == "@" and key != "@" and len(members) < most:
        members += _beginning(key[1:], most - len(members))
    return members


def _beginning(key: str, most: int) -> list[Suggestion]:
    which = text_search.bounds("username", key) | {"limit": most}
    return [Suggestion(*row) for row in db.session.execute(_SELECT_BEGINNING, which)]


_MEMBERS = table(Member).c
_SELECT_BEGINNING = (
    select(_MEMBERS.id, _MEMBERS.username, _MEMBERS.name)
    .where(text_search.begins(_MEMBERS.username_key, "username"))
    .order_by(_MEMBERS.username_key)
    .limit(bindparam("limit"))
)
