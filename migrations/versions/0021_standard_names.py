"""Rename tables and columns to the terms that the code uses."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TABLES = {
    "records": "audit_events",
    "checks": "rule_candidates",
    "sign_in_failures": "login_attempts",
    "factor_roles": "two_factor_required_roles",
    "stored_answers": "idempotent_requests",
}
COLUMNS = {
    "awards": {"way": "source", "revoke_way": "revoke_source"},
    "batches": {
        "users": "entry_count",
        "run_through": "run_up_to_entry_id",
        "fruitless": "failed_claims",
        "careful": "single_step_left",
        "trouble": "last_error",
    },
    "entries": {"cause": "reason_detail"},
    "member_imports": {"fruitless": "failed_claims", "trouble": "last_error"},
    "rules": {
        "days_at": "days_evaluated_at",
        "through": "up_to_member_id",
        "looked_at": "evaluated",
        "fruitless": "failed_claims",
        "trouble": "last_error",
    },
    "endpoints": {
        "sealed_url": "encrypted_url",
        "former_secret": "previous_secret",
        "former_until": "previous_secret_until",
        "disabled_why": "disabled_reason",
        "rests_until": "backoff_until",
    },
    "deliveries": {
        "occasion": "occurrence",
        "answered": "response_status",
        "trouble": "last_error",
    },
    "uploads": {"said": "header_choice"},
    "group_awards": {"made_at": "created_at", "made_by": "created_by", "held": "already_held"},
    "second_factors": {"made_at": "created_at"},
    "pending_factors": {"made_at": "created_at"},
    "staff_links": {"made_at": "created_at", "made_by": "created_by"},
}
INDEXES = {
    "ix_awards_way": "ix_awards_source",
    "ix_batches_users": "ix_batches_entry_count",
    "ix_staff_links_made_at": "ix_staff_links_created_at",
    "ix_staff_links_made_by": "ix_staff_links_created_by",
}
OUTCOMES = {"taken_back": "revoked_by_undo"}


def upgrade() -> None:
    _drop_append_only_triggers("records")
    _rename(TABLES, COLUMNS, INDEXES)
    _create_append_only_triggers("audit_events", "the audit log is append-only")
    _resize_outcome(12, 20)
    _replace_outcomes(OUTCOMES)


def downgrade() -> None:
    _replace_outcomes(_swap(OUTCOMES))
    _resize_outcome(20, 12)
    _drop_append_only_triggers("audit_events")
    _rename(
        _swap(TABLES),
        {table: _swap(columns) for table, columns in COLUMNS.items()},
        _swap(INDEXES),
    )
    _create_append_only_triggers("records", "the record is append-only")


def _swap(names: dict[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}


def _rename(
    tables: dict[str, str],
    columns: dict[str, dict[str, str]],
    indexes: dict[str, str],
) -> None:
    for table, names in columns.items():
        for old, new in names.items():
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
            _rename_constraints(table, f"{table}_{old}_", f"{table}_{new}_")
    for old, new in indexes.items():
        _rename_index(old, new)
    for old, new in tables.items():
        for index in sa.inspect(op.get_bind()).get_indexes(old):
            name = str(index["name"])
            _rename_index(name, name.replace(old, new))
        op.rename_table(old, new)
        _rename_constraints(new, old, new)
        if _postgresql():
            op.execute(f"ALTER SEQUENCE IF EXISTS {old}_id_seq RENAME TO {new}_id_seq")


def _rename_index(old: str, new: str) -> None:
    if _postgresql():
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
        return
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = :name")
    create = op.get_bind().execute(query, {"name": old}).scalar_one()
    op.drop_index(old)
    op.execute(create.replace(old, new, 1))


def _rename_constraints(table: str, old: str, new: str) -> None:
    """On PostgreSQL, replace this part of the constraints' names; in SQLite they are not visible."""
    if not _postgresql():
        return
    names = sa.text("SELECT conname FROM pg_constraint WHERE conrelid = CAST(:table AS regclass)")
    for name in op.get_bind().scalars(names, {"table": table}).all():
        if old in name:
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {name.replace(old, new)}")


def _drop_append_only_triggers(table: str) -> None:
    if _postgresql():
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute(f"DROP FUNCTION {table}_append_only()")
        return
    for name in ("update", "delete", "replace"):
        op.execute(f"DROP TRIGGER {table}_no_{name}")


def _create_append_only_triggers(table: str, message: str) -> None:
    if _postgresql():
        op.execute(
            f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
        )
        return
    # INSERT OR REPLACE deletes without firing the trigger on DELETE.
    exists = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
    for name, event, when in (
        ("update", "UPDATE", ""),
        ("delete", "DELETE", ""),
        ("replace", "INSERT", exists),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table} {when}"
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )


def _resize_outcome(old: int, new: int) -> None:
    last_id = _last_entry_id()
    with op.batch_alter_table("entries", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.alter_column("outcome", existing_type=sa.String(old), type_=sa.String(new))
    if last_id:
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
        op.execute(f"INSERT INTO sqlite_sequence VALUES ('entries', {last_id})")


def _last_entry_id() -> int:
    """The highest id ever used: SQLite forgets it when a table is rebuilt, and would reuse deleted ids."""
    if _postgresql():
        return 0
    return (
        op.get_bind().scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'entries'")) or 0
    )


def _replace_outcomes(outcomes: dict[str, str]) -> None:
    entries = sa.table("entries", sa.column("outcome", sa.String))
    for old, new in outcomes.items():
        op.execute(sa.update(entries).where(entries.c.outcome == old).values(outcome=new))


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
