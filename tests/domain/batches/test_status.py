"""A batch with unlocked members is never `Unpublished` again, whatever the action (B-23)."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from tests.domain.batches.random_runs import Mixed
from tests.domain.batches.test_processing import LONG_AGO, now, run
from tests.domain.batches.test_runs import ACT, done, partly, set_status
from tests.factories import Make
from webapp.database import db
from webapp.domain import leases
from webapp.domain.batches import drafts, entries, listing, processing, runs
from webapp.domain.batches.listing import BatchFilters
from webapp.domain.operations import maintenance
from webapp.models import Award, Batch, BatchRange, BatchStatus, Entry, MemberStatus
from webapp.models.batch import RUNNING, UNLOCKED, Work
from webapp.schemas.batches import BatchOut
from webapp.transaction import transaction


def listed(status: BatchStatus) -> list[int]:
    """The batches that the list's filter finds."""
    return [batch.id for batch in listing.listing(BatchFilters(statuses=(status,))).page.items]


def want_agreement(batch_id: int, name: str = "") -> Batch:
    """Check the rule itself, and that page, list filter, API and maintenance job agree on the status."""
    batch = drafts.get(batch_id)
    unlocked = db.session.scalars(
        select(Entry.id).where(Entry.batch_id == batch.id, Entry.outcome.in_(UNLOCKED))
    ).all()
    if unlocked:
        assert batch.status_label != "Unpublished", name
    if batch.status_label == "Unpublished":
        assert (batch.published, batch.run_processed) == (0, 0), name
    assert maintenance.differing(since=LONG_AGO) == [], name
    assert BatchOut.of(batch).status == batch.status_label, name
    if not batch.draft:
        found = [status for status in BatchStatus if batch.id in listed(status)]
        assert found == [batch.status], name
    in_run = [
        one
        for one in entries.page(batch).items
        if one.outcome is None and one.id <= batch.run_up_to_entry_id
    ]
    if batch.running and batch.work == Work.UNLOCK:
        assert {one.status_in(batch) for one in in_run} <= {batch.status_label}, name
    for one in entries.page(batch).items:
        assert one.id not in unlocked or one.status_in(batch) == "Published", name
    return batch


def test_a_retry_starts_as_in_progress(make: Make) -> None:
    """B-23, B-37: before a worker leases it, while it runs and after it has failed again."""
    batch = partly(make)
    last = entries.page(drafts.get(batch.id)).items[0].member_id
    done(runs.retry, batch)
    begun = want_agreement(batch.id)
    assert (begun.status_label, begun.percent) == ("In Progress", 0)
    assert entries.counts(begun) == {"In Progress": 2, "Published": 3}
    set_status(MemberStatus.LEFT, last)
    run(batch.id)
    assert want_agreement(batch.id).status_label == "Partially published"


def test_members_added_later_start_as_in_progress(make: Make) -> None:
    """B-23, B-36: they are `Unpublished` until the batch is published again, and the batch stays `Published`."""
    ids = make.members(5)
    batch = make.batch(ids[:3], published=True)
    run(batch.id)
    with transaction():
        drafts.add_members(batch.id, ids[3:], 10, ACT)
    waiting = want_agreement(batch.id)
    assert waiting.status_label == "Published"
    assert entries.counts(waiting) == {"Unpublished": 2, "Published": 3}
    done(runs.publish, batch)
    begun = want_agreement(batch.id)
    assert (begun.status_label, begun.run_total, begun.percent) == ("In Progress", 2, 0)
    assert entries.counts(begun) == {"In Progress": 2, "Published": 3}
    assert done(runs.stop, batch) == 2
    assert want_agreement(batch.id).status_label == "Partially published"


def test_a_batch_without_unlocked_members_is_unpublished_until_a_worker_starts(make: Make) -> None:
    """B-23, B-40: stopped before its first chunk and retried, and published empty with members added afterwards."""
    batch = make.batch(make.members(2), published=True)
    assert want_agreement(batch.id).status_label == "Unpublished"
    done(runs.stop, batch)
    done(runs.retry, batch)
    assert want_agreement(batch.id).status_label == "Unpublished"
    run(batch.id)
    assert want_agreement(batch.id).status_label == "Published"
    empty, late = make.batch(published=True), make.members(2, "late")
    with transaction():
        drafts.add_members(empty.id, late, 10, ACT)
    done(runs.publish, empty)
    assert want_agreement(empty.id).status_label == "Unpublished"


def test_a_restarted_worker_leaves_the_status(make: Make) -> None:
    """B-29: after workers died before and after the first chunk, and after the batch was released."""
    batch = make.batch(make.members(6), published=True)
    with transaction():
        claimed = processing.claim(batch.id, "dies", -1, 4, now())
    assert want_agreement(batch.id).status_label == "In Progress"
    with transaction():
        claimed = processing.claim(batch.id, "dies too", -1, 4, now())
    with transaction():
        processing.process_chunk(claimed, 2, now())
    assert want_agreement(batch.id).status_label == "In Progress"
    with transaction():
        claimed = processing.claim(batch.id, "stops", 60, 4, now())
    with transaction():
        leases.release(BatchRange, claimed.id, "stops")
    assert want_agreement(batch.id).status_label == "In Progress"
    run(batch.id)
    assert want_agreement(batch.id).status_label == "Published"


def test_the_maintenance_job_corrects_a_wrong_status(make: Make) -> None:
    """B-23: such as that of a retry started by an earlier version."""
    retried, finished = partly(make), make.batch(make.members(1, "one"), published=True)
    done(runs.retry, retried)
    run(finished.id)
    wrong = {retried.id: BatchStatus.UNPUBLISHED, finished.id: BatchStatus.PARTIALLY_PUBLISHED}
    with transaction():
        for batch_id, status in wrong.items():
            db.session.execute(update(Batch).where(Batch.id == batch_id).values(status=status))
    assert sorted(maintenance.differing(since=LONG_AGO)) == sorted(wrong)
    for batch_id in wrong:
        with transaction():
            maintenance.recount(batch_id)
    assert want_agreement(retried.id).status_label == "In Progress"
    assert want_agreement(finished.id).status_label == "Published"


@pytest.mark.parametrize("seed", range(10, 16))
def test_random_actions_keep_counts_right_and_the_status_true(make: Make, seed: int) -> None:
    """B-23, B-36 to B-40: sixty random steps; counts, progress and all views of the status are checked after each."""
    mixed = Mixed(make, seed)
    seen: set[str] = set()
    for _ in range(60):
        name = mixed.step()
        seen.add(want_agreement(mixed.batch.id, name).status_label)
    mixed.work(60)
    mixed.judge("the end")
    assert want_agreement(mixed.batch.id).status not in RUNNING
    assert "In Progress" in seen
    active = select(func.count(), func.count(Award.member_id.distinct())).where(
        Award.revoked_at.is_(None)
    )
    total, members = db.session.execute(active).one()
    assert total == members
