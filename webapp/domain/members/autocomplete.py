"""Autocomplete usernames (B-18)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import load_only

from webapp.database import db
from webapp.domain.members.text_search import begins_with
from webapp.domain.normalization import fold
from webapp.models import Member

MOST = 10
LONGEST = 570  # longest possible key, in characters


def usernames(text: str, most: int = MOST) -> list[Member]:
    """Return the first `most` members by username that start with `text`; none for "".

    Loads only ID, username and name. One query on a range of the index, so its cost doesn't depend on the number of
    members; none for blank or very long text. A leading @ takes a second query without it.
    """
    key = fold(text)
    if not key or len(key) > LONGEST:
        return []
    members = _beginning(key, most)
    if key[0] == "@" and key != "@" and len(members) < most:
        members += _beginning(key[1:], most - len(members))
    return members


def _beginning(key: str, most: int) -> list[Member]:
    shown = load_only(Member.username, Member.name, raiseload=True)
    query = select(Member).options(shown).where(begins_with(Member.username_key, key))
    return list(db.session.scalars(query.order_by(Member.username_key).limit(most)))
