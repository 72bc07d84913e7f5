"""The first steps in a new console: a checklist that checks itself off (E-2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, exists, select, update

from webapp.database import db
from webapp.domain.permissions import Permission, may
from webapp.models import Award, Badge, Member, Quest, Staff


class Step(StrEnum):
    IMPORT_MEMBERS = "import_members"
    CREATE_BADGE = "create_badge"
    AWARD = "award"
    INVITE = "invite"


_REQUIRES = {
    Step.IMPORT_MEMBERS: Permission.IMPORT_EXPORT_MEMBERS,
    Step.CREATE_BADGE: Permission.EDIT_BADGES,
    Step.AWARD: Permission.AWARD,
    Step.INVITE: Permission.STAFF,
}


@dataclass(frozen=True)
class FirstSteps:
    """The steps that the person's role can take, each with whether anyone has taken it."""

    done: dict[Step, bool]
    awardable: bool  # there is a badge that can be awarded
    hidden: bool

    @property
    def next(self) -> Step | None:
        """The first step that isn't done; None also if the person has hidden them."""
        if self.hidden:
            return None
        return next((step for step, done in self.done.items() if not done), None)


def hide(staff_id: int) -> None:
    """Hide the first steps from a person. Not in the audit log, because no one else sees it."""
    db.session.execute(update(Staff).where(Staff.id == staff_id).values(first_steps_hidden=True))


def load(staff: Staff) -> FirstSteps:
    """Return how far the console has come; one query, which reads at most a row of each table."""
    row = db.session.execute(_SELECT_TAKEN, {"staff_id": staff.id}).one()
    done = dict(zip(Step, map(bool, row[:4]), strict=True))
    return FirstSteps(
        {step: done[step] for step in Step if may(staff.role, _REQUIRES[step])},
        bool(row[4]),
        staff.first_steps_hidden,
    )


_SELECT_TAKEN = select(
    exists().select_from(Member),
    exists().select_from(Badge),
    exists().select_from(Award),
    exists().where(Staff.id != bindparam("staff_id")),
    exists().where(Quest.archived_at.is_(None), Quest.badge.has(archived_at=None)),
)
