"""Names of staff are unique by appearance. Duplicates get the email added; the audit log says so.

A name that looks like the console's own is removed, so that the email is shown instead.
"""

import re
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from webapp.database import Id, UtcDateTime
from webapp.domain.staff.confusable_names import is_own, key_of, likeness

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LONGEST = 120
# No longer allowed in names: control characters, and those that change the reading order.
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

STAFF = sa.table(
    "staff",
    sa.column("id", Id),
    sa.column("name", sa.String),
    sa.column("email", sa.String),
    sa.column("name_key", sa.String),
)
RECORDS = sa.table(
    "records",
    sa.column("at", UtcDateTime),
    sa.column("actor", sa.String),
    sa.column("origin", sa.String),
    sa.column("verb", sa.String),
    sa.column("subject_kind", sa.String),
    sa.column("subject_id", Id),
    sa.column("detail", sa.JSON),
)


def upgrade() -> None:
    op.add_column("staff", sa.Column("name_key", sa.String(length=64), nullable=True))
    connection = op.get_bind()
    people = connection.execute(
        sa.select(STAFF.c.id, STAFF.c.name, STAFF.c.email).order_by(STAFF.c.id)
    ).all()
    emails = {likeness(email): staff_id for staff_id, _, email in people}
    taken: set[str] = set()
    for staff_id, name, email in people:
        new = _unlike(staff_id, name, email, emails, taken)
        taken.add(likeness(new))
        connection.execute(
            sa.update(STAFF).where(STAFF.c.id == staff_id).values(name=new, name_key=key_of(new))
        )
        if new != name:
            connection.execute(sa.insert(RECORDS).values(_entry(staff_id, name, new or email)))
    op.create_index("uq_staff_name_key", "staff", ["name_key"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_staff_name_key", table_name="staff")
    op.drop_column("staff", "name_key")


def _unlike(staff_id: int, name: str, email: str, emails: dict[str, int], taken: set[str]) -> str:
    """A name unlike all others: the current one with the email, or none, so that the email is shown."""
    fit = " ".join(UNFIT.sub("", name).split())
    if not fit or is_own(fit):
        return ""
    for one in (fit, f"{fit} ({email})"):
        look = likeness(one)
        own_or_free = emails.get(look, staff_id) == staff_id and look not in taken
        if look and own_or_free and len(one) <= LONGEST:
            return one
    return ""


def _entry(staff_id: int, before: str, after: str) -> dict[str, object]:
    return {
        "at": datetime.now(UTC),
        "actor": "Laurel",
        "origin": "command line",
        "verb": "staff.renamed",
        "subject_kind": "staff",
        "subject_id": staff_id,
        "detail": {"before": before, "after": after},
    }
