"""The INSERT that creates all awards: by staff, the API, batches, rules and the demo community."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Insert, Select, literal, true
from sqlalchemy.orm import InstrumentedAttribute

from webapp.database import upsert
from webapp.models import Award


def insert_awards(members: Select[int], *, updated_at: object, **values: object) -> Insert:
    """Insert an award for each of the selected member IDs; members who already hold the quest get none.

    Select the members in the order of their IDs: two transactions that award a quest to the same members in different
    orders could wait for each other.

    `updated_at` is when this happens, maybe later than `awarded_at`; `values` are the other columns of Award. Each is a
    value or an SQL expression over what `members` selects from.
    """
    values = {**values, "updated_at": updated_at}
    columns = Award.__table__.columns
    rows = members.add_columns(
        *(
            value if isinstance(value, ColumnElement) else literal(value, columns[name].type)
            for name, value in values.items()
        )
    )
    return (
        upsert(Award)
        # Without a WHERE, SQLite parses ON CONFLICT as a join condition.
        .from_select(["member_id", *values], rows.where(true()), include_defaults=False)
        .on_conflict_do_nothing(
            index_elements=[Award.member_id, Award.quest_id], index_where=Award.revoked_at.is_(None)
        )
    )


def in_id_order(member_id: InstrumentedAttribute[int]) -> ColumnElement[int]:
    """Return the sort key for `insert_awards`: an expression, so that no database reads an index in its order."""
    return member_id + 0
