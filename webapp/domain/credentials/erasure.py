"""Delete what credentials and pages keep about an erased member."""

from __future__ import annotations

from sqlalchemy import delete, select

from webapp.database import execute_rowcount
from webapp.domain.members.personal_data import PersonalData
from webapp.models import Award, Credential, MemberPage, SharedAward


def forget(person: PersonalData) -> None:
    """Delete their signed credentials, and end their page and everything they shared."""
    theirs = select(Award.id).where(Award.member_id == person.id)
    for table in (Credential, SharedAward):
        execute_rowcount(delete(table).where(table.award_id.in_(theirs)))
    execute_rowcount(delete(MemberPage).where(MemberPage.member_id == person.id))
