"""Members by the beginning of their username, while somebody types it (B-18)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import load_only

from webapp.database import db
from webapp.domain.members.text_search import begins_with
from webapp.domain.normalization import fold
from webapp.models import Member

MOST = 10
LONGEST = 570  # characters of a key; nobody's is longer


def usernames(text: str, most: int = MOST) -> list[Member]:
    """The first `most` members, by username, whose username begins with `text`; nobody for "".

    Of each the ID, the username and the name are loaded, and nothing else. One query, and for blank or endless text
    none: a range of the index in byte order, so that it costs the same among a million as among ten. A leading @ is
    how people write names: a second query looks without it.
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
