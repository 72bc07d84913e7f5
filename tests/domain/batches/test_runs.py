"""Forecast, retry, dismiss and stop: their effects, when repeated, and in the wrong state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from tests.counting import statements
from tests.domain.batches.test_processing import LONG_AGO, awards, now, run
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, entries, forecasts, processing, runs
from webapp.domain.batches.drafts import Heading
from webapp.domain.batches.forecasts import Forecast
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.operations import maintenance
from webapp.models import (
    AuditEvent,
    Badge,
    Batch,
    BatchRange,
    Entry,
    Member,
    MemberStatus,
    Origin,
    Quest,
    Staff,
)
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.CONSOLE)


def set_status(status: MemberStatus, *member_ids: int) -> None:
    with transaction():
        db.session.execute(update(Member).where(Member.id.in_(member_ids)).values(status=status))


def partly(make: Make, good: int = 3, bad: int = 2) -> Batch:
    """A `Partially published` batch: `bad` members were suspended, and are active again."""
    ids = make.members(good + bad)
    batch = make.batch(ids, published=True)
    set_status(MemberStatus.SUSPENDED, *ids[good:])
    run(batch.id)
    set_status(MemberStatus.ACTIVE, *ids[good:])
    return drafts.get(batch.id)


def done(verb: Callable[..., object], batch: Batch, *more: object) -> object:
    """Act on a batch in a separate transaction."""
    with transaction():
        return verb(batch.id, ACT, *more)


def recorded(verb: str) -> list[int]:
    """The number of members in each audit log entry of a type."""
    rows = select(AuditEvent.detail).where(AuditEvent.verb == verb).order_by(AuditEvent.id)
    return [detail["members"] for detail in db.session.scalars(rows)]


def seen(batch: Batch) -> tuple[str, int, int, int]:
    batch = drafts.get(batch.id)
    return batch.status_label, batch.entry_count, batch.published, batch.errors


# Forecast


def test_the_forecast_equals_the_result_of_publishing(make: Make) -> None:
    """B-21: recipients, holders, members who can't receive it or had it revoked; publishing does the same."""
    ids, quest = make.members(7), make.quest()
    make.award(ids[0], quest.id)
    make.award(ids[1], quest.id, revoked_at=NOW)
    make.award(ids[2], quest.id, revoked_at=NOW)
    make.award(ids[3], quest.id)  # has it, and has left since: counts as a holder
    set_status(MemberStatus.LEFT, ids[3], ids[4])
    set_status(MemberStatus.SUSPENDED, ids[2])
    make.award(ids[6], make.quest().id)  # another quest does not count
    batch = make.batch(ids, quest)
    with statements() as sent:
        expected = forecasts.publication(drafts.get(batch.id))
    assert expected == Forecast(receive=3, hold=2, cannot=2, revoked_before=1)
    assert expected.members == 7
    assert len(sent) == 2
    done(runs.publish, batch)
    run(batch.id)
    finished = drafts.get(batch.id)
    assert (finished.published, finished.already_held, finished.errors) == (5, 2, 2)


def test_an_outdated_forecast_is_reported(make: Make) -> None:
    """B-21, X29: only members and the badge that were shown are published."""
    ids = make.members(3)
    batch = make.batch(ids[:2])
    shown = (batch.version, 2)
    with transaction():
        drafts.add_members(batch.id, ids[2:], 10, ACT)
    with pytest.raises(ConflictError):
        done(runs.publish, batch, shown)
    other = make.quest().id
    with transaction():
        drafts.save(batch.id, Heading("Renamed", other), ACT)
    with pytest.raises(ConflictError):
        done(runs.publish, batch, (batch.version, 3))
    assert drafts.get(batch.id).draft
    done(runs.publish, batch, (drafts.get(batch.id).version, 3))
    assert seen(batch)[0] == "Unpublished"
    done(runs.publish, batch, shown)  # an old tab after publishing gets the current state (X25)
    assert recorded("batch.published") == [3]


# Retry and dismiss


def test_retry_unlocks_failed_entries(make: Make) -> None:
    """B-37: only the failed ones, in a separate run; then the batch is `Published`."""
    batch = partly(make)
    assert seen(batch) == ("Partially published", 5, 3, 2)
    before = awards()
    assert done(runs.retry, batch) == 2
    running = drafts.get(batch.id)
    assert (running.status_label, running.run_total, running.percent) == ("In Progress", 2, 0)
    assert done(runs.retry, batch) == 0, "said again, they are being retried"
    run(batch.id)
    assert seen(batch) == ("Published", 5, 5, 0)
    assert awards() == before + 2
    assert done(runs.retry, batch) == 0, "none is left"
    assert recorded("batch.retried") == [2]
    assert maintenance.differing(since=LONG_AGO) == []


def test_a_repeated_failure_is_an_error_again(make: Make) -> None:
    """B-37: with the latest reason."""
    batch = partly(make, good=1, bad=1)
    member = db.session.scalars(select(Entry.member_id).order_by(Entry.id.desc())).first()
    set_status(MemberStatus.LEFT, member)
    done(runs.retry, batch)
    run(batch.id)
    assert seen(batch) == ("Partially published", 2, 1, 1)
    (entry,) = entries.page(drafts.get(batch.id), 1, "Error").items
    assert entry.reason == "This member has left the community."


def test_retry_of_an_archived_badge_is_refused(make: Make) -> None:
    """B-37, M-15: and the batch stays unchanged."""
    batch = partly(make)
    with transaction():
        db.session.execute(update(Badge).values(archived_at=NOW))
    with pytest.raises(DomainError, match="archived"):
        done(runs.retry, batch)
    assert seen(batch) == ("Partially published", 5, 3, 2)


def test_dismiss_removes_failed_entries(make: Make) -> None:
    """B-37: with an audit log entry; the batch is `Published`, and members can be added again (B-36), even the same."""
    batch = partly(make)
    assert done(runs.dismiss, batch) == 2
    assert seen(batch) == ("Published", 3, 3, 0)
    assert done(runs.dismiss, batch) == 0
    assert recorded("batch.dismissed") == [2]
    with transaction():
        ids = list(db.session.scalars(select(Member.id).order_by(Member.id)))
        assert drafts.add_members(batch.id, ids, 10, ACT) == 2
    done(runs.publish, batch)
    assert drafts.get(batch.id).run_total == 2
    run(batch.id)
    assert seen(batch) == ("Published", 5, 5, 0)
    assert maintenance.differing(since=LONG_AGO) == []


# Stop


def test_stop_ends_the_run_after_the_current_chunk(make: Make) -> None:
    """B-40, X28: undecided entries are `Error` with the person's name; the worker loses its lease; retry continues."""
    person = make.staff(name="Mara Kovač")
    batch = make.batch(make.members(10), published=True)
    with transaction():
        claimed = processing.claim(batch.id, "one", 20, 3, now())
    with transaction():
        processing.process_chunk(claimed, 3, now())
    with transaction():
        actor = Actor(NOW, Origin.CONSOLE, db.session.get_one(Staff, person.id))
        assert runs.stop(batch.id, actor) == 7
    with transaction():
        with pytest.raises(leases.LeaseLostError):
            processing.process_chunk(claimed, 3, now())
        leases.release(BatchRange, claimed.id, "one")
        leases.record_error(BatchRange, claimed.id, "one", "late")
    stopped = drafts.get(batch.id)
    assert seen(batch) == ("Partially published", 10, 3, 7)
    assert (stopped.percent, processing.waiting()) == (100, [])
    reasons = {entry.reason for entry in entries.page(stopped, 1, "Error").items}
    assert reasons == {"Stopped by Mara Kovač"}
    assert done(runs.stop, batch) == 0, "said again"
    assert recorded("batch.stopped") == [7]
    assert done(runs.retry, batch) == 7
    run(batch.id)
    assert seen(batch) == ("Published", 10, 10, 0)
    assert (awards(), maintenance.differing(since=LONG_AGO)) == (10, [])


def test_stop_before_any_worker_came(make: Make) -> None:
    """B-40: an `Unpublished` batch runs, too."""
    batch = make.batch(make.members(2), published=True)
    assert done(runs.stop, batch) == 2
    assert seen(batch) == ("Partially published", 2, 0, 2)


def test_an_undo_is_not_stopped(make: Make) -> None:
    """B-40: half an undo would be worse than all or nothing."""
    batch = make.batch(make.members(2), published=True)
    run(batch.id)
    done(runs.undo, batch)
    with pytest.raises(DomainError, match="You can't stop an undo"):
        done(runs.stop, batch)
    assert drafts.get(batch.id).running


def test_only_running_batches_can_be_stopped(make: Make) -> None:
    """B-40: a draft and a finished batch stay as they are."""
    for batch in (make.batch(), make.batch(published=True)):
        before = seen(batch)
        assert done(runs.stop, batch) == 0
        assert seen(batch) == before


@pytest.mark.parametrize("verb", [runs.retry, runs.dismiss])
def test_errors_of_a_draft(make: Make, verb: Callable[..., object]) -> None:
    """B-37: rejected, with the batch's status."""
    with pytest.raises(DomainError, match="This batch is Draft"):
        done(verb, make.batch())


def test_dismiss_while_it_runs(make: Make) -> None:
    """B-37: rejected, because the failed ones may be in the retry."""
    batch = partly(make)
    done(runs.retry, batch)
    with pytest.raises(DomainError, match="This batch is In Progress"):
        done(runs.dismiss, batch)


# The heading, edited by two people


def test_two_managers_on_one_draft(make: Make) -> None:
    """X29: the second is told whose change they would overwrite, and may then do so."""
    first, second = make.staff(name="Anna"), make.staff(name="Bert")
    batch, quest = make.batch(name="Before"), make.quest()

    def save(person: Staff, name: str, version: int | None) -> int:
        with transaction():
            actor = Actor(NOW, Origin.CONSOLE, db.session.get_one(Staff, person.id))
            return drafts.save(batch.id, Heading(name, quest.id), actor, version).version

    newer = save(first, "Anna's", batch.version)
    with pytest.raises(ConflictError, match="Anna has changed this batch in the meantime"):
        save(second, "Bert's", batch.version)
    assert drafts.get(batch.id).name == "Anna's"
    assert save(second, "Anna's", batch.version) == newer, "the same changes nothing"
    save(second, "Bert's", newer)
    assert drafts.get(batch.id).name == "Bert's"


def test_a_quest_archived_between_forecast_and_publish(make: Make) -> None:
    """X, M-15: rejected when publishing, and the draft stays."""
    batch = make.batch(make.members(2))
    shown = (batch.version, forecasts.publication(drafts.get(batch.id)).members)
    with transaction():
        db.session.execute(update(Quest).values(archived_at=datetime.now(UTC)))
    with pytest.raises(DomainError, match="archived"):
        done(runs.publish, batch, shown)
    assert drafts.get(batch.id).draft
