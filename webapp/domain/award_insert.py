"""The INSERT by which all awards are made: by staff, through the API, by a batch, by a rule, in the demo community."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Insert, Select, literal, true

from webapp.database import upsert
from webapp.models import Award


def insert_awards(members: Select[int], **values: object) -> Insert:
    """One award for each of the members selected by id; a member who already holds the quest gets none.

    `values` are the other columns of Award, each a value or an SQL expression over what `members` selects from.
    """
    columns = Award.__table__.columns
    rows = members.add_columns(
        *(
            value if isinstance(value, ColumnElement) else literal(value, columns[name].type)
            for name, value in values.items()
        )
    )
    return (
        upsert(Award)
        # Without a WHERE, SQLite takes ON CONFLICT for the condition of a join.
        .from_select(["member_id", *values], rows.where(true()), include_defaults=False)
        .on_conflict_do_nothing(
            index_elements=[Award.member_id, Award.quest_id], index_where=Award.revoked_at.is_(None)
        )
    )
