"""Webhook URLs are encrypted, because they may contain a token. The part anyone may see has its own column."""

import sqlalchemy as sa
from alembic import context, op

from webapp.domain.audit_log.masking import mask_url
from webapp.infrastructure.encryption import decrypt_with, encrypt_with

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ENDPOINTS = sa.table(
    "endpoints",
    sa.column("id", sa.BigInteger),
    sa.column("url", sa.String),
    sa.column("sealed_url", sa.Text),
    sa.column("host", sa.String),
)


def upgrade() -> None:
    secret = context.config.attributes["secrets"][0]
    _overwrite_what_goes()
    for column in (
        sa.Column("sealed_url", sa.Text(), server_default="", nullable=False),
        sa.Column("host", sa.String(length=2000), server_default="", nullable=False),
    ):
        op.add_column("endpoints", column)
    connection = op.get_bind()
    for key, url in connection.execute(sa.select(ENDPOINTS.c.id, ENDPOINTS.c.url)).all():
        values = {"sealed_url": encrypt_with(secret, url), "host": mask_url(url)}
        connection.execute(sa.update(ENDPOINTS).where(ENDPOINTS.c.id == key).values(values))
    op.drop_column("endpoints", "url")


def downgrade() -> None:
    secrets = context.config.attributes["secrets"]
    op.add_column(
        "endpoints", sa.Column("url", sa.String(length=2000), server_default="", nullable=False)
    )
    connection = op.get_bind()
    for key, sealed in connection.execute(sa.select(ENDPOINTS.c.id, ENDPOINTS.c.sealed_url)).all():
        values = {"url": decrypt_with(secrets, sealed)}
        connection.execute(sa.update(ENDPOINTS).where(ENDPOINTS.c.id == key).values(values))
    op.drop_column("endpoints", "host")
    op.drop_column("endpoints", "sealed_url")


def _overwrite_what_goes() -> None:
    """Overwrite deleted data, so that no URL stays readable in free pages of the file."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA secure_delete = ON")
