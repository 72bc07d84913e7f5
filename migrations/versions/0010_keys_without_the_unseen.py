"""Match keys omit invisible characters: joiners, direction marks, variation selectors.

Only rows whose key has such a character are written. If another row already has the new key, the row keeps its old
one: it can still be found by its ID.
"""

import re
from unicodedata import normalize

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import IntegrityError

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = (
    ("members", "username_key"),
    ("members", "email_key"),
    ("badges", "name_key"),
    ("quests", "name_key"),
    ("batches", "name_key"),
    ("api_keys", "name_key"),
)
UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
CHUNK = 5_000


def upgrade() -> None:
    connection = op.get_bind()
    length = (
        "octet_length({0})"
        if connection.dialect.name == "postgresql"
        else "length(CAST({0} AS BLOB))"
    )
    for table, column in COLUMNS:
        beyond_ascii = f"{length.format(column)} <> length({column})"
        read = sa.text(
            f"SELECT id, {column} FROM {table} WHERE id > :after AND {beyond_ascii} ORDER BY id LIMIT {CHUNK}"
        )
        write = sa.text(f"UPDATE {table} SET {column} = :key WHERE id = :id")
        after = 0
        while rows := connection.execute(read, {"after": after}).all():
            after = rows[-1][0]
            for row_id, key in rows:
                seen = normalize("NFC", UNSEEN.sub("", key).strip())
                if seen == key or not seen:
                    continue
                try:
                    with connection.begin_nested():
                        connection.execute(write, {"key": seen, "id": row_id})
                except IntegrityError:
                    pass


def downgrade() -> None:
    """Keys without invisible characters are also valid in the previous revision."""
