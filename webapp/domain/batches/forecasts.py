"""Forecasts: count what an action on a batch would do, before it is confirmed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, exists, func, not_, select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.models import Award, Batch, BatchStatus, Entry, Member, MemberStatus
from webapp.models.batch import RUNNING, SUCCESSES, UNLOCKED


@dataclass(frozen=True)
class Forecast:
    receive: int
    hold: int
    cannot: int
    revoked_before: int  # of those who will receive it

    @property
    def members(self) -> int:
        return self.receive + self.hold + self.cannot


def publication(batch: Batch) -> Forecast:
    holds = _award_of(batch, Award.revoked_at.is_(None))
    active = Member.status == MemberStatus.ACTIVE
    receives = not_(holds) & active
    counted = (
        select(
            func.count(),
            _number(holds),
            _number(not_(holds) & not_(active)),
            _number(receives & _award_of(batch, Award.revoked_at.is_not(None))),
        )
        .select_from(Entry)
        .join(Member, Member.id == Entry.member_id)
        .where(Entry.batch_id == batch.id, Entry.outcome.is_(None))
    )
    total, hold, cannot, before = db.session.execute(counted).one()
    return Forecast(total - hold - cannot, hold, cannot, before)


def cannot_receive(batch: Batch) -> ColumnElement[bool]:
    """True for entries that would fail: the member has left or is suspended and doesn't have the quest yet (E-10)."""
    inactive = exists().where(Member.id == Entry.member_id, Member.status != MemberStatus.ACTIVE)
    held = _award_of(batch, Award.revoked_at.is_(None))
    return and_(inactive.correlate(Entry), not_(held))


def retry_is_futile(batch: Batch) -> bool:
    """True if a batch's only errors are of members who can't receive badges (E-10); at most one query."""
    if not batch.has_retryable_errors:
        return False
    active = select(Member.id).where(
        Member.id == Entry.member_id, Member.status == MemberStatus.ACTIVE
    )
    promising = exists().where(
        Entry.batch_id == batch.id,
        Entry.outcome.is_not(None),
        Entry.outcome.not_in(SUCCESSES),
        active.correlate(Entry).exists(),
    )
    return not db.session.scalar(select(promising))


@dataclass(frozen=True)
class Reversal:
    take_back: int
    keep: int  # members who hold it by another award: an older one, or one made again since
    not_held: int  # awards that someone revoked since


def reversal(batch: Batch) -> Reversal:
    """Return what undoing a batch would do now; one query."""
    of_batch = exists().where(
        Award.batch_id == Entry.batch_id,
        Award.member_id == Entry.member_id,
        Award.revoked_at.is_(None),
    )
    holds = _award_of(batch, Award.revoked_at.is_(None))
    counted = select(func.count(), _number(of_batch), _number(holds)).where(
        Entry.batch_id == batch.id, Entry.outcome.in_(UNLOCKED)
    )
    total, taken, held = db.session.execute(counted).one()
    return Reversal(taken, held - taken, total - held)


def _award_of(batch: Batch, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        Award.member_id == Entry.member_id, Award.quest_id == batch.quest_id, condition
    )


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


@dataclass(frozen=True)
class Archiving:
    """Unfinished batches that archiving a badge or quest would affect."""

    running: int
    drafts: int


def archiving(quest_ids: list[int]) -> Archiving:
    counted = select(
        _number(Batch.status.in_(RUNNING)), _number(Batch.status == BatchStatus.DRAFT)
    ).where(in_array(Batch.quest_id, quest_ids))
    return Archiving(*db.session.execute(counted).one())
