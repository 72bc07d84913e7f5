"""Open Badges: the issuer, its keys, signed credentials, and what members share."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "issuers",
        sa.Column("id", Id, autoincrement=False, nullable=False),
        sa.Column("url", sa.String(2000), server_default="", nullable=False),
        sa.Column("email", sa.String(320), server_default="", nullable=False),
        sa.Column("link_secret", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuers")),
    )
    op.create_table(
        "issuer_keys",
        sa.Column("id", Id, nullable=False),
        sa.Column("public", sa.String(100), nullable=False),
        sa.Column("private", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("replaced_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuer_keys")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "credentials",
        sa.Column("award_id", Id, autoincrement=False, nullable=False),
        sa.Column("key_id", Id, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("signed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["award_id"], ["awards.id"], name=op.f("fk_credentials_award_id_awards")
        ),
        sa.ForeignKeyConstraint(
            ["key_id"], ["issuer_keys.id"], name=op.f("fk_credentials_key_id_issuer_keys")
        ),
        sa.PrimaryKeyConstraint("award_id", name=op.f("pk_credentials")),
    )
    op.create_table(
        "shared_awards",
        sa.Column("award_id", Id, autoincrement=False, nullable=False),
        sa.Column("token", text_key(40), nullable=False),
        sa.Column("shown_as", sa.String(12), nullable=False),
        sa.Column("shared_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["award_id"], ["awards.id"], name=op.f("fk_shared_awards_award_id_awards")
        ),
        sa.PrimaryKeyConstraint("award_id", name=op.f("pk_shared_awards")),
    )
    op.create_index("uq_shared_awards_token", "shared_awards", ["token"], unique=True)
    op.create_table(
        "member_pages",
        sa.Column("member_id", Id, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_pages_member_id_members")
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_member_pages")),
    )


def downgrade() -> None:
    for name in ("member_pages", "shared_awards", "credentials", "issuer_keys", "issuers"):
        op.drop_table(name)
