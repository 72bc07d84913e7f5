"""The directory of members: looking somebody up, among a million as among ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, and_, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from webapp.database import LARGEST_ID, among, db
from webapp.domain.keys import fold
from webapp.domain.paging import PAGE_SIZE, Page
from webapp.domain.refusals import NotFound
from webapp.models import Award, Member

REACH = 100_000  # rows of the whole directory that are counted, and can be paged through
MATCHES = 500  # that a search finds by each column; who looks for one of more types on


@dataclass(frozen=True)
class Listing:
    """A page of members, with how many badges each holds by member id; `more`: the total is only a beginning."""

    page: Page[Member]
    badges: dict[int, int]
    more: bool


def get(member_id: int) -> Member:
    """The member; raises NotFound."""
    member = db.session.get(Member, min(member_id, LARGEST_ID))
    if member is None:
        raise NotFound("There is no such member.")
    return member


def search(text: str, number: int = 1) -> Listing:
    """A page of the members whose username, email or ID begins with `text`; of all of them where it is empty.

    Found by username come first, then by email, then by ID. A fixed number of queries, each answered from the
    beginning of an index. A page past either end gives the nearest one there is.
    """
    ids, total, more, number = _matching(text, number) if text.strip() else _all(number)
    rows = {row.id: row for row in db.session.scalars(select(Member).where(among(Member.id, ids)))}
    members = [rows[member_id] for member_id in ids if member_id in rows]
    return Listing(Page(members, number, total), _badges_of(ids), more)


def _all(number: int) -> tuple[list[int], int, bool, int]:
    counted = select(literal(1)).select_from(Member).limit(REACH + 1).subquery()
    found = db.session.scalar(select(func.count()).select_from(counted)) or 0
    total = min(found, REACH)
    number = _nearest(number, total)
    ids = select(Member.id).order_by(Member.username_key).limit(PAGE_SIZE)
    wanted = ids.offset((number - 1) * PAGE_SIZE)
    return list(db.session.scalars(wanted)), total, found > REACH, number


def _matching(text: str, number: int) -> tuple[list[int], int, bool, int]:
    found: Sequence[Any] = db.session.execute(_by_each_column(text)).all()
    places: dict[int, tuple[int, str]] = {}
    for member_id, column, key in found:
        places[member_id] = min((column, key), places.get(member_id, (column, key)))
    ordered = sorted(places, key=lambda member_id: places[member_id])
    more = len(found) > MATCHES and any(
        sum(column == which for _, column, _ in found) > MATCHES for which in range(3)
    )
    total = min(len(ordered), MATCHES) if more else len(ordered)
    number = _nearest(number, total)
    return ordered[:total][(number - 1) * PAGE_SIZE : number * PAGE_SIZE], total, more, number


def _by_each_column(text: str) -> CompoundSelect[Any]:
    """Id, column and key of the first matches by each column; one more than MATCHES tells that there are more."""
    text = text.replace("\x00", "\ufffd")  # PostgreSQL can't be asked for it, and nobody has it
    key = fold(text)
    columns: list[tuple[InstrumentedAttribute[str] | InstrumentedAttribute[str | None], str]] = [
        (Member.username_key, key.removeprefix("@") or key),
        (Member.email_key, key),
        (Member.external_id, text.strip()),
    ]
    return union_all(
        *(
            select(
                select(Member.id, literal(place).label("place"), column.label("key"))
                .where(begins_with(column, prefix))
                .order_by(column)
                .limit(MATCHES + 1)
                .subquery()
            )
            for place, (column, prefix) in enumerate(columns)
        )
    )


def begins_with(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], prefix: str
) -> ColumnElement[bool]:
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


def _nearest(number: int, total: int) -> int:
    return min(max(number, 1), max(1, -(-total // PAGE_SIZE)))


def _badges_of(member_ids: list[int]) -> dict[int, int]:
    """How many quests' awards each of the members holds; who holds none is absent."""
    counted = (
        select(Award.member_id, func.count())
        .where(among(Award.member_id, member_ids), Award.revoked_at.is_(None))
        .group_by(Award.member_id)
    )
    return dict(db.session.execute(counted).all())
