"""The first tables."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# The audit log is append-only (L-1); the database itself rejects changes.
APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER records_no_{verb.lower()} BEFORE {verb} ON records "
        "BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ]
    # INSERT OR REPLACE deletes without firing the trigger above.
    + [
        "CREATE TRIGGER records_no_replace BEFORE INSERT ON records "
        "WHEN EXISTS (SELECT 1 FROM records WHERE id = NEW.id) "
        "BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION records_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the record is append-only'; END $$",
        "CREATE TRIGGER records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON records "
        "FOR EACH STATEMENT EXECUTE FUNCTION records_append_only()",
    ],
}

# Triggers count the holders of each quest and badge, so the numbers are correct however awards are written.
# Counting a million awards would take half a second. `standing` are the member's active awards of this badge
# now, so `standing - by` are those before. The fence makes PostgreSQL look up the member's awards first: a
# quest may have thousands that its statistics don't know of yet, and a batch of 5,000 took 1.6 s for them
# instead of 0.1.
STANDING = """(SELECT count(*) FROM
    (SELECT quest_id FROM awards WHERE member_id = {member} AND revoked_at IS NULL {fence}) AS a
    JOIN quests AS o ON o.id = a.quest_id WHERE o.badge_id = {badge})"""


def _sqlite_holders(name: str, event: str, row: str, by: int, when: str) -> str:
    badge = f"(SELECT badge_id FROM quests WHERE id = {row}.quest_id)"
    standing = STANDING.format(member=f"{row}.member_id", badge="badges.id", fence="")
    return f"""CREATE TRIGGER awards_holders_{name} AFTER {event} ON awards WHEN {when} BEGIN
    UPDATE quests SET holders = holders + ({by}) WHERE id = {row}.quest_id;
    UPDATE badges SET holders = holders + ({by}) WHERE id = {badge} AND {standing} = {max(by, 0)};
    END"""


def _postgresql_holders(event: str, tables: str, changes: str) -> list[str]:
    function = f"awards_holders_{event.lower()}"
    standing = STANDING.format(member="m.member_id", badge="m.badge_id", fence="OFFSET 0")
    return [
        # Lock the badges first, so that each later statement sees concurrent changes to them.
        f"""CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM 1 FROM badges WHERE id IN
            (SELECT q.badge_id FROM ({changes}) AS c JOIN quests AS q ON q.id = c.quest_id)
            ORDER BY id FOR NO KEY UPDATE;
        IF NOT FOUND THEN RETURN NULL; END IF;
        UPDATE quests SET holders = holders + c.by FROM
            (SELECT quest_id, sum(by) AS by FROM ({changes}) AS d GROUP BY quest_id) AS c
            WHERE id = c.quest_id;
        WITH touched AS MATERIALIZED (
            SELECT q.badge_id, d.member_id, sum(d.by) AS by
            FROM ({changes}) AS d JOIN quests AS q ON q.id = d.quest_id GROUP BY q.badge_id, d.member_id),
        counted AS MATERIALIZED (
            SELECT m.badge_id, m.by, {standing} AS standing FROM touched AS m),
        moved AS (
            SELECT badge_id, sum((standing > 0)::int - (standing - by > 0)::int) AS by
            FROM counted GROUP BY badge_id)
        UPDATE badges SET holders = holders + moved.by FROM moved
            WHERE id = moved.badge_id AND moved.by <> 0;
        RETURN NULL; END $$""",
        f"CREATE TRIGGER {function} AFTER {event} ON awards {tables} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
    ]


_ENDS = "OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL"
_BEGINS = "OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL"
HOLDERS = {
    "sqlite": [
        _sqlite_holders("insert", "INSERT", "NEW", 1, "NEW.revoked_at IS NULL"),
        _sqlite_holders("begin", "UPDATE OF revoked_at", "NEW", 1, _BEGINS),
        _sqlite_holders("end", "UPDATE OF revoked_at", "NEW", -1, _ENDS),
        _sqlite_holders("delete", "DELETE", "OLD", -1, "OLD.revoked_at IS NULL"),
    ],
    "postgresql": [
        *_postgresql_holders(
            "INSERT",
            "REFERENCING NEW TABLE AS fresh",
            "SELECT member_id, quest_id, 1 AS by FROM fresh WHERE revoked_at IS NULL",
        ),
        *_postgresql_holders(
            "UPDATE",
            "REFERENCING OLD TABLE AS gone NEW TABLE AS fresh",
            "SELECT fresh.member_id, fresh.quest_id, "
            "CASE WHEN fresh.revoked_at IS NULL THEN 1 ELSE -1 END AS by "
            "FROM fresh JOIN gone ON gone.id = fresh.id "
            "WHERE (fresh.revoked_at IS NULL) <> (gone.revoked_at IS NULL)",
        ),
        *_postgresql_holders(
            "DELETE",
            "REFERENCING OLD TABLE AS gone",
            "SELECT member_id, quest_id, -1 AS by FROM gone WHERE revoked_at IS NULL",
        ),
    ],
}


def upgrade() -> None:
    op.create_table(
        "badges",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", text_key(360), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("automatic", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("shape", sa.String(length=20), server_default="circle", nullable=False),
        sa.Column("colour", sa.String(length=20), server_default="green", nullable=False),
        sa.Column("icon", sa.String(length=40), server_default="award", nullable=False),
        sa.Column("art_hash", sa.String(length=32), server_default="", nullable=False),
        sa.Column("holders", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_badges")),
    )
    op.create_table(
        "members",
        sa.Column("id", Id, nullable=False),
        sa.Column("external_id", text_key(190), nullable=False),
        sa.Column("username", sa.String(length=190), nullable=False),
        sa.Column("username_key", text_key(570), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("email_key", text_key(960), nullable=True),
        sa.Column("name", sa.String(length=190), server_default="", nullable=False),
        sa.Column("status", sa.String(length=12), server_default="active", nullable=False),
        sa.Column("joined_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
    )
    op.create_index("uq_members_email_key", "members", ["email_key"], unique=True)
    op.create_index("uq_members_external_id", "members", ["external_id"], unique=True)
    op.create_index("uq_members_username_key", "members", ["username_key"], unique=True)
    op.create_table(
        "records",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=330), nullable=False),
        sa.Column("staff_id", Id, nullable=True),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.Column("verb", sa.String(length=40), nullable=False),
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", Id, nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
    )
    op.create_index("ix_records_at", "records", ["at", "id"], unique=False)
    op.create_index("ix_records_origin", "records", ["origin", "at", "id"], unique=False)
    op.create_index("ix_records_staff_id", "records", ["staff_id", "at", "id"], unique=False)
    op.create_index(
        "ix_records_subject", "records", ["subject_kind", "subject_id", "at", "id"], unique=False
    )
    op.create_index("ix_records_verb", "records", ["verb", "at", "id"], unique=False)
    op.create_table(
        "sign_in_failures",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(
        "ix_sign_in_failures_account", "sign_in_failures", ["account", "at"], unique=False
    )
    op.create_index(
        "ix_sign_in_failures_address", "sign_in_failures", ["address", "at"], unique=False
    )
    op.create_index("ix_sign_in_failures_at", "sign_in_failures", ["at"], unique=False)
    op.create_table(
        "staff",
        sa.Column("id", Id, nullable=False),
        sa.Column("email", text_key(320), nullable=False),
        sa.Column("name", sa.String(length=120), server_default="", nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
    )
    op.create_index("uq_staff_email", "staff", ["email"], unique=True)
    op.create_index("uq_staff_fs_uniquifier", "staff", ["fs_uniquifier"], unique=True)
    op.create_table(
        "quests",
        sa.Column("id", Id, nullable=False),
        sa.Column("badge_id", Id, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("holders", sa.Integer(), server_default="0", nullable=False),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["badge_id"], ["badges.id"], name=op.f("fk_quests_badge_id_badges")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quests")),
    )
    op.create_index("ix_quests_badge_id", "quests", ["badge_id"], unique=False)
    op.create_table(
        "images",
        sa.Column("badge_id", Id, nullable=False),
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("mimetype", sa.String(length=20), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["badge_id"],
            ["badges.id"],
            name=op.f("fk_images_badge_id_badges"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("badge_id", name=op.f("pk_images")),
    )
    op.create_table(
        "staff_sessions",
        sa.Column("id", Id, nullable=False),
        sa.Column("staff_id", Id, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff.id"],
            name=op.f("fk_staff_sessions_staff_id_staff"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
    )
    op.create_index("ix_staff_sessions_seen_at", "staff_sessions", ["seen_at"], unique=False)
    op.create_index("ix_staff_sessions_staff_id", "staff_sessions", ["staff_id"], unique=False)
    op.create_index("uq_staff_sessions_key_hash", "staff_sessions", ["key_hash"], unique=True)
    op.create_table(
        "batches",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.String(length=120), server_default="", nullable=False),
        sa.Column("name_key", text_key(360), server_default="", nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("quest_id", Id, nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", Id, nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.Column("users", sa.Integer(), server_default="0", nullable=False),
        sa.Column("published", sa.Integer(), server_default="0", nullable=False),
        sa.Column("already_held", sa.Integer(), server_default="0", nullable=False),
        sa.Column("errors", sa.Integer(), server_default="0", nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.Column("work", sa.String(length=12), server_default="unlock", nullable=False),
        sa.Column("run_by", Id, nullable=True),
        sa.Column("run_at", UtcDateTime(), nullable=True),
        sa.Column("run_through", Id, server_default="0", nullable=False),
        sa.Column("run_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("run_processed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=36), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("fruitless", sa.Integer(), server_default="0", nullable=False),
        sa.Column("careful", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trouble", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["staff.id"], name=op.f("fk_batches_created_by_staff")
        ),
        sa.ForeignKeyConstraint(["run_by"], ["staff.id"], name=op.f("fk_batches_run_by_staff")),
        sa.ForeignKeyConstraint(
            ["quest_id"], ["quests.id"], name=op.f("fk_batches_quest_id_quests")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_batches_created_at", "batches", ["created_at", "id"], unique=False)
    op.create_index("ix_batches_name_key", "batches", ["name_key", "id"], unique=False)
    op.create_index("ix_batches_status", "batches", ["status"], unique=False)
    op.create_index("ix_batches_updated_at", "batches", ["updated_at", "id"], unique=False)
    op.create_index("ix_batches_users", "batches", ["users", "id"], unique=False)
    op.create_table(
        "awards",
        sa.Column("id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("quest_id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=True),
        sa.Column("way", sa.String(length=12), nullable=False),
        sa.Column("awarded_at", UtcDateTime(), nullable=False),
        sa.Column("awarded_by", Id, nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_by", Id, nullable=True),
        sa.Column("revoke_way", sa.String(length=12), server_default="", nullable=False),
        sa.Column("revoke_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("restores_id", Id, nullable=True),
        sa.Column("restored_at", UtcDateTime(), nullable=True),
        sa.Column("restored_by", Id, nullable=True),
        sa.ForeignKeyConstraint(
            ["awarded_by"], ["staff.id"], name=op.f("fk_awards_awarded_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_awards_batch_id_batches")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_awards_member_id_members")
        ),
        sa.ForeignKeyConstraint(
            ["quest_id"], ["quests.id"], name=op.f("fk_awards_quest_id_quests")
        ),
        sa.ForeignKeyConstraint(
            ["restored_by"], ["staff.id"], name=op.f("fk_awards_restored_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["restores_id"], ["awards.id"], name=op.f("fk_awards_restores_id_awards")
        ),
        sa.ForeignKeyConstraint(
            ["revoked_by"], ["staff.id"], name=op.f("fk_awards_revoked_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_awards")),
    )
    op.create_index(
        "ix_awards_batch_id",
        "awards",
        ["batch_id"],
        unique=False,
        postgresql_where=sa.text("batch_id IS NOT NULL"),
        sqlite_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index(
        "ix_awards_member_id_awarded_at", "awards", ["member_id", "awarded_at"], unique=False
    )
    op.create_index(
        "ix_awards_quest_id_awarded_at",
        "awards",
        ["quest_id", "awarded_at"],
        unique=False,
    )
    op.create_index(
        "uq_awards_active",
        "awards",
        ["member_id", "quest_id"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
        sqlite_where=sa.text("revoked_at IS NULL"),
    )
    op.create_index(
        "uq_awards_restores_id",
        "awards",
        ["restores_id"],
        unique=True,
        postgresql_where=sa.text("restores_id IS NOT NULL"),
        sqlite_where=sa.text("restores_id IS NOT NULL"),
    )
    op.create_table(
        "entries",
        sa.Column("id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("member_id", Id, nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=True),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.id"],
            name=op.f("fk_entries_batch_id_batches"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_entries_member_id_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_entries_member_id", "entries", ["member_id"], unique=False)
    op.create_index(
        "ix_entries_work", "entries", ["batch_id", "outcome", "attempts", "id"], unique=False
    )
    op.create_index(
        "uq_entries_batch_id_member_id", "entries", ["batch_id", "member_id"], unique=True
    )
    op.create_table(
        "uploads",
        sa.Column("id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("encoding", sa.String(length=20), server_default="", nullable=False),
        sa.Column("choices", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("preview", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.id"],
            name=op.f("fk_uploads_batch_id_batches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_uploads_sha256", "uploads", ["sha256"], unique=False)
    op.create_index(
        "uq_uploads_pending",
        "uploads",
        ["batch_id"],
        unique=True,
        postgresql_where=sa.text("applied_at IS NULL"),
        sqlite_where=sa.text("applied_at IS NULL"),
    )

    dialect = op.get_bind().dialect.name
    for statement in [*APPEND_ONLY[dialect], *HOLDERS[dialect]]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(
        "uq_uploads_pending",
        table_name="uploads",
        postgresql_where=sa.text("applied_at IS NULL"),
        sqlite_where=sa.text("applied_at IS NULL"),
    )
    op.drop_index("ix_uploads_sha256", table_name="uploads")
    op.drop_table("uploads")
    op.drop_index("uq_entries_batch_id_member_id", table_name="entries")
    op.drop_index("ix_entries_work", table_name="entries")
    op.drop_index("ix_entries_member_id", table_name="entries")
    op.drop_table("entries")
    op.drop_index(
        "uq_awards_restores_id",
        table_name="awards",
        postgresql_where=sa.text("restores_id IS NOT NULL"),
        sqlite_where=sa.text("restores_id IS NOT NULL"),
    )
    op.drop_index(
        "uq_awards_active",
        table_name="awards",
        postgresql_where=sa.text("revoked_at IS NULL"),
        sqlite_where=sa.text("revoked_at IS NULL"),
    )
    op.drop_index("ix_awards_quest_id_awarded_at", table_name="awards")
    op.drop_index("ix_awards_member_id_awarded_at", table_name="awards")
    op.drop_index(
        "ix_awards_batch_id",
        table_name="awards",
        postgresql_where=sa.text("batch_id IS NOT NULL"),
        sqlite_where=sa.text("batch_id IS NOT NULL"),
    )
    op.drop_table("awards")
    op.drop_index("ix_batches_users", table_name="batches")
    op.drop_index("ix_batches_updated_at", table_name="batches")
    op.drop_index("ix_batches_status", table_name="batches")
    op.drop_index("ix_batches_name_key", table_name="batches")
    op.drop_index("ix_batches_created_at", table_name="batches")
    op.drop_table("batches")
    op.drop_index("uq_staff_sessions_key_hash", table_name="staff_sessions")
    op.drop_index("ix_staff_sessions_staff_id", table_name="staff_sessions")
    op.drop_index("ix_staff_sessions_seen_at", table_name="staff_sessions")
    op.drop_table("staff_sessions")
    op.drop_table("images")
    op.drop_index("ix_quests_badge_id", table_name="quests")
    op.drop_table("quests")
    op.drop_index("uq_staff_fs_uniquifier", table_name="staff")
    op.drop_index("uq_staff_email", table_name="staff")
    op.drop_table("staff")
    op.drop_index("ix_sign_in_failures_at", table_name="sign_in_failures")
    op.drop_index("ix_sign_in_failures_address", table_name="sign_in_failures")
    op.drop_index("ix_sign_in_failures_account", table_name="sign_in_failures")
    op.drop_table("sign_in_failures")
    op.drop_index("ix_records_verb", table_name="records")
    op.drop_index("ix_records_subject", table_name="records")
    op.drop_index("ix_records_staff_id", table_name="records")
    op.drop_index("ix_records_origin", table_name="records")
    op.drop_index("ix_records_at", table_name="records")
    op.drop_table("records")
    op.drop_index("uq_members_username_key", table_name="members")
    op.drop_index("uq_members_external_id", table_name="members")
    op.drop_index("uq_members_email_key", table_name="members")
    op.drop_table("members")
    op.drop_table("badges")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION records_append_only()")
        for event in ("insert", "update", "delete"):
            op.execute(f"DROP FUNCTION awards_holders_{event}()")
