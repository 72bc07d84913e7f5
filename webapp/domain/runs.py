"""Runs: what begins and ends the workers' way through a batch. Carrying it out is `unlocking`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, delete, exists, func, not_, select, update

from webapp import later
from webapp.database import changed_rows, db
from webapp.domain import record
from webapp.domain.act import Act
from webapp.domain.batches import lock, open_quest
from webapp.domain.refusals import Refused
from webapp.models import Award, Batch, BatchStatus, Entry, Member, MemberStatus, Outcome
from webapp.models.batch import SUCCESSES, UNLOCKED, Work


@dataclass(frozen=True)
class Forecast:
    """What publishing would do to the members not yet published (B-21)."""

    receive: int
    hold: int
    cannot: int
    revoked_before: int  # of those who will receive it


def forecast(batch: Batch) -> Forecast:
    """Counts, in one query, what publishing a batch would do now; the quest must be chosen."""
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


def _award_of(batch: Batch, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        Award.member_id == Entry.member_id, Award.quest_id == batch.quest_id, condition
    )


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def publish(batch_id: int, act: Act) -> Batch:
    """Hands what is undecided in a batch to the workers; said again, it answers with the batch as it stands.

    Raises Refused where the name or the badge is missing, or the badge can't be awarded any more.
    """
    batch = lock(batch_id)
    if not batch.takes_members or not (batch.draft or batch.undecided):
        return batch
    if not batch.name:
        raise Refused("Give the batch a name.", "name")
    if batch.quest_id is None:
        raise Refused("Choose a badge.", "quest")
    open_quest(batch.quest_id)
    batch.published_at = act.at
    _begin(batch, Work.UNLOCK, batch.undecided, act)
    record.write(
        act, "batch.published", "batch", batch.id, members=batch.run_total, quest=batch.quest_id
    )
    return batch


def retry(batch_id: int, act: Act) -> Batch:
    """Unlocks the failed entries of a `Partially published` batch again; in any other state nothing happens (B-37)."""
    batch = lock(batch_id)
    if not batch.mendable:
        return batch
    open_quest(batch.quest_id)
    again = changed_rows(
        update(Entry)
        .where(Entry.batch_id == batch.id, *_failed())
        .values(outcome=None, cause="", decided_at=None, attempts=0)
    )
    batch.errors -= again
    _begin(batch, Work.UNLOCK, again, act)
    record.write(act, "batch.retried", "batch", batch.id, members=again)
    return batch


def dismiss(batch_id: int, act: Act) -> int:
    """Removes the failed entries from a `Partially published` batch, `Published` from then on; says how many (B-37)."""
    batch = lock(batch_id)
    if not batch.mendable:
        return 0
    removed = changed_rows(delete(Entry).where(Entry.batch_id == batch.id, *_failed()))
    batch.errors -= removed
    batch.users -= removed
    batch.status = BatchStatus.PUBLISHED
    batch.updated_at = act.at
    record.write(act, "batch.dismissed", "batch", batch.id, members=removed)
    return removed


def undo(batch_id: int, act: Act) -> Batch:
    """Takes back, in a run of its own, the awards that a finished batch made and nobody touched since (B-38).

    Said again, it answers with the batch as it stands; a draft or a running batch is refused.
    """
    batch = lock(batch_id)
    if batch.draft or (batch.running and not batch.undone_at):
        raise Refused(f"Only a finished batch can be undone; this one is {batch.status_label}.")
    unlocked = Entry.batch_id == batch.id, Entry.outcome.in_(UNLOCKED)
    number = db.session.scalar(select(func.count()).where(*unlocked)) or 0
    if batch.undone_at and (batch.running or not number):
        return batch
    batch.undone_at = act.at
    db.session.execute(
        update(Entry)
        .where(Entry.batch_id == batch.id, Entry.attempts > 0)
        .values(attempts=0)
        .execution_options(synchronize_session=False)
    )
    _begin(batch, Work.UNDO, number, act)
    record.write(act, "batch.undone", "batch", batch.id, members=number)
    return batch


def stop(batch_id: int, act: Act) -> int:
    """Ends a running unlock after the chunk in hand; says how many entries that left undecided, now in error (B-40).

    The lock waits for the chunk, and the worker finds its lease gone. A batch that does not run is left as it is.
    """
    batch = lock(batch_id)
    if not batch.running:
        return 0
    if batch.work == Work.UNDO:
        raise Refused("An undo can't be stopped: part of the badges would be left behind.")
    stopped = changed_rows(
        update(Entry)
        .where(Entry.batch_id == batch.id, Entry.outcome.is_(None), Entry.id <= batch.run_through)
        .values(outcome=Outcome.STOPPED, cause=f"{act.actor}.", decided_at=act.at)
    )
    batch.errors += stopped
    batch.run_processed += stopped
    finish(batch, act.at)
    record.write(act, "batch.stopped", "batch", batch.id, members=stopped)
    return stopped


def finish(batch: Batch, at: Any) -> None:
    """Ends a run: the status follows from the errors, and nobody holds the batch any more."""
    batch.status = BatchStatus.PARTIALLY_PUBLISHED if batch.errors else BatchStatus.PUBLISHED
    batch.lease_owner = batch.lease_until = None
    batch.fruitless = batch.careful = 0
    batch.trouble = ""
    batch.updated_at = at


def _begin(batch: Batch, work: Work, number: int, act: Act) -> None:
    batch.work, batch.run_by, batch.run_at = work, act.staff_id, act.at
    batch.run_total, batch.run_processed = number, 0
    newest = select(func.max(Entry.id)).where(Entry.batch_id == batch.id)
    batch.run_through = db.session.scalar(newest) or 0
    finish(batch, act.at)
    if number:
        batch.status = BatchStatus.UNPUBLISHED
        later.run_later("unlock", batch.id)


def _failed() -> tuple[ColumnElement[bool], ...]:
    return Entry.outcome.is_not(None), Entry.outcome.not_in(SUCCESSES)
