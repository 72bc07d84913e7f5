"""Load a row by the ID in a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeVar, TypeVarTuple

from sqlalchemy import Select, bindparam, inspect, select
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.interfaces import ORMOption

from webapp.database import LARGEST_ID, Base, db, prepared
from webapp.domain.errors import NotFoundError
from webapp.models import (
    ApiKey,
    BadgeMapping,
    Connection,
    Endpoint,
    GroupAward,
    GroupRevocation,
    Member,
    MemberImport,
    MemberStatus,
    Quest,
    Staff,
)

NAMES: Mapping[type[Base], str] = {
    ApiKey: "api_key",
    BadgeMapping: "badge_mapping",
    Connection: "connection",
    Endpoint: "webhook",
    GroupAward: "group_award",
    GroupRevocation: "group_revocation",
    MemberImport: "import",
    Staff: "staff",
}  # other models use their class name
NO_KEY_UPDATE = {"key_share": True}  # other transactions can still insert rows that reference it

T = TypeVar("T", bound=Base)
Columns = TypeVarTuple("Columns")


def require(
    model: type[T],
    row_id: int,
    *,
    lock: bool | dict[str, bool] | None = None,
    fresh: bool = False,
    options: Sequence[ORMOption] = (),
) -> T:
    """Load a row. Raises NotFoundError if it doesn't exist or is an erased member.

    `lock` (True or NO_KEY_UPDATE) locks it until the end of the transaction. A locked or `fresh` row is read from the
    database even if the session has loaded it.
    """
    number = min(row_id, LARGEST_ID)
    if lock is not None and not options:
        query = _locking(model, key_share=lock is not True)
        row = db.session.scalar(
            query, {"id": number}, execution_options={"populate_existing": True}
        )
    else:
        row = db.session.get(
            model,
            number,
            options=options,
            with_for_update=lock,
            populate_existing=fresh or lock is not None,
        )
    if row is None or (isinstance(row, Member) and row.status == MemberStatus.ERASED):
        raise NotFoundError(f"common.{NAMES.get(model, model.__name__.lower())}_not_found")
    return row


@cache
def _locking(model: type[T], *, key_share: bool) -> Select[T]:
    (primary_key,) = inspect(model).primary_key
    query = select(model).where(primary_key == bindparam("id"))
    return prepared(query.with_for_update(key_share=key_share))


def require_quest(badge_id: int, quest_id: int) -> Quest:
    """Load a quest of this badge, with the badge. Raises NotFoundError."""
    found = db.session.scalar(
        select(Quest)
        .options(joinedload(Quest.badge))
        .where(Quest.id == min(quest_id, LARGEST_ID), Quest.badge_id == min(badge_id, LARGEST_ID))
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFoundError("common.quest_not_found")
    return found


def locking_members(query: Select[*Columns]) -> Select[*Columns]:
    """Make a query of members lock them, in the order of their IDs, so that no two callers wait for each other."""
    return query.order_by(Member.id).with_for_update(key_share=True)
