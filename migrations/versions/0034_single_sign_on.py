"""Accounts are linked to identities at an OpenID Connect provider."""

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime, text_key

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff_identities",
        sa.Column("id", Id, primary_key=True),
        sa.Column(
            "staff_id",
            Id,
            sa.ForeignKey(
                "staff.id", ondelete="CASCADE", name="fk_staff_identities_staff_id_staff"
            ),
            nullable=False,
        ),
        sa.Column("issuer", text_key(255), nullable=False),
        sa.Column("subject", text_key(255), nullable=False),
        sa.Column("linked_at", UtcDateTime, nullable=False),
        sa.Column("signed_in_at", UtcDateTime, nullable=False),
    )
    op.create_index(
        "uq_staff_identities_issuer_subject",
        "staff_identities",
        ["issuer", "subject"],
        unique=True,
    )
    op.create_index(
        "uq_staff_identities_staff_id_issuer",
        "staff_identities",
        ["staff_id", "issuer"],
        unique=True,
    )
    op.create_table(
        "sso_sessions",
        sa.Column(
            "session_id",
            Id,
            sa.ForeignKey(
                "staff_sessions.id",
                ondelete="CASCADE",
                name="fk_sso_sessions_session_id_staff_sessions",
            ),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column(
            "identity_id",
            Id,
            sa.ForeignKey(
                "staff_identities.id",
                ondelete="CASCADE",
                name="fk_sso_sessions_identity_id_staff_identities",
            ),
            nullable=False,
        ),
        sa.Column("sid", text_key(255), nullable=False),
        sa.Column("id_token", sa.Text, nullable=False),
    )
    op.create_index("ix_sso_sessions_identity_id", "sso_sessions", ["identity_id"])
    op.create_index("ix_sso_sessions_sid", "sso_sessions", ["sid"])


def downgrade() -> None:
    op.drop_table("sso_sessions")
    op.drop_table("staff_identities")
