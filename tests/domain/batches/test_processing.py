"""Process a batch: every member once, in chunks, despite crashes and existing holders."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Insert, func, insert, select, text, update

from tests.factories import Make
from webapp.database import db
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.batches import award_entries, drafts, entries, processing, runs
from webapp.domain.batches.ranges import ClaimedRange
from webapp.domain.operations import maintenance
from webapp.models import (
    Award,
    AwardSource,
    Batch,
    BatchRange,
    Entry,
    Member,
    MemberStatus,
    Origin,
    Outcome,
    Quest,
)
from webapp.transaction import transaction

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def run(batch_id: int, owner: str = "worker", chunk: int = 4) -> list[bool]:
    """Lease and process until the batch is finished; return the result of each step."""
    with transaction():
        claimed = processing.claim(batch_id, owner, 20, chunk, now())
        assert claimed is not None
    answers = [True]
    while answers[-1]:
        with transaction():
            answers.append(processing.process_chunk(claimed, chunk, now()))
    return answers


def outcomes(batch_id: int) -> dict[str, int]:
    rows = (
        select(Entry.outcome, func.count())
        .where(Entry.batch_id == batch_id)
        .group_by(Entry.outcome)
    )
    return {str(outcome): number for outcome, number in db.session.execute(rows)}


def award_by_hand(member_id: int, quest: Quest) -> None:
    """Award a quest in the transaction that is open."""
    values = {"member_id": member_id, "quest_id": quest.id, "source": AwardSource.PROFILE}
    db.session.execute(insert(Award).values(**values, awarded_at=now()))


def awards() -> int:
    return db.session.scalar(select(func.count()).where(Award.revoked_at.is_(None))) or 0


def test_every_member_gets_the_badge_once_and_the_batch_is_published(make: Make) -> None:
    """B-23, B-25: ten members in chunks of four."""
    batch = make.batch(make.members(10), published=True)
    assert run(batch.id) == [True, True, True, True, False]
    done = drafts.get(batch.id)
    assert (done.status_label, done.percent, done.published, done.errors) == (
        "Published",
        100,
        10,
        0,
    )
    assert awards() == 10
    assert maintenance.differing(since=LONG_AGO) == []


def test_holders_are_published_with_a_note(make: Make) -> None:  # B-27
    ids, quest = make.members(3), make.quest()
    make.award(ids[1], quest.id)
    batch = make.batch(ids, quest, published=True)
    run(batch.id)
    assert outcomes(batch.id) == {"awarded": 2, "already_held": 1}
    assert awards() == 3
    entry = db.session.scalars(select(Entry).where(Entry.member_id == ids[1])).one()
    assert (entry.status_in(drafts.get(batch.id)), entry.reason) == ("Published", "Already had it")


def test_a_revoked_award_is_no_award(make: Make) -> None:
    """M-14: a person may award again what was revoked; the history keeps both."""
    (member,), quest = make.members(1), make.quest()
    make.award(member, quest.id, revoked_at=now())
    batch = make.batch([member], quest, published=True)
    run(batch.id)
    assert outcomes(batch.id) == {"awarded": 1}
    assert db.session.scalar(select(func.count()).select_from(Award)) == 2


def test_inactive_members_are_errors_with_the_reason(make: Make) -> None:  # B-15, B-25
    ids = make.members(3)
    with transaction():
        for member_id, status in ((ids[0], MemberStatus.LEFT), (ids[1], MemberStatus.SUSPENDED)):
            db.session.execute(update(Member).where(Member.id == member_id).values(status=status))
    batch = make.batch(ids, published=True)
    run(batch.id)
    done = drafts.get(batch.id)
    assert (done.status_label, done.percent, done.errors) == ("Partially published", 100, 2)
    shown = entries.page(done, 1, "Error").items
    assert {entry.reason for entry in shown} == {
        "This member has left the community.",
        "This member is suspended.",
    }
    assert awards() == 1


def test_a_quest_archived_in_between_gives_every_entry_that_reason(make: Make) -> None:
    batch = make.batch(make.members(3), published=True)
    with transaction():
        db.session.execute(update(Quest).values(archived_at=now()))
    run(batch.id)
    assert outcomes(batch.id) == {"archived": 3}
    assert awards() == 0


def test_two_batches_that_overlap_award_the_union_once(make: Make) -> None:  # X26
    ids, quest = make.members(9), make.quest()
    first = make.batch(ids[:6], quest, published=True)
    second = make.batch(ids[3:], quest, published=True)
    run(first.id)
    run(second.id)
    assert awards() == 9
    assert outcomes(second.id) == {"awarded": 3, "already_held": 3}


def test_what_changes_while_a_chunk_is_decided_counts(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B-27: between deciding the entries and inserting the awards, one member gets the badge and one leaves."""
    (gets, leaves, *others), quest = make.members(4), make.quest()
    batch = make.batch([gets, leaves, *others], quest, published=True)
    insert_awards = award_entries.insert_awards

    def change_first(*args: Any, **values: Any) -> Insert:
        award_by_hand(gets, quest)
        db.session.execute(
            update(Member).where(Member.id == leaves).values(status=MemberStatus.LEFT)
        )
        return insert_awards(*args, **values)

    monkeypatch.setattr(award_entries, "insert_awards", change_first)
    run(batch.id)
    assert outcomes(batch.id) == {"already_held": 1, "left": 1, "awarded": 2}
    assert (drafts.get(batch.id).published, drafts.get(batch.id).errors) == (3, 1)
    assert maintenance.differing(since=LONG_AGO) == []


def test_an_entry_whose_award_came_and_went_meanwhile_is_decided_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, quest = make.members(3), make.quest()
    batch = make.batch(ids, quest, published=True)
    insert_awards, outcome = award_entries.insert_awards, award_entries._outcome
    came = False

    def award_first(*args: Any, **values: Any) -> Insert:
        nonlocal came
        if not came:
            award_by_hand(ids[0], quest)
            came = True
        return insert_awards(*args, **values)

    def revoke_first(batch: ClaimedRange, can_receive: Outcome | None) -> ColumnElement[Any]:
        if can_receive is None:
            by_hand = update(Award).where(Award.source == AwardSource.PROFILE)
            db.session.execute(by_hand.values(revoked_at=now()))
        return outcome(batch, can_receive)

    monkeypatch.setattr(award_entries, "insert_awards", award_first)
    monkeypatch.setattr(award_entries, "_outcome", revoke_first)
    run(batch.id)
    assert outcomes(batch.id) == {"awarded": 3}
    assert awards() == 3
    assert maintenance.differing(since=LONG_AGO) == []


@pytest.mark.databases("postgresql")
def test_counting_holders_takes_no_longer_the_more_badges_there_are(make: Make) -> None:
    """With statistics that know only one badge, PostgreSQL still doesn't read all quests for each award."""
    members, quest = make.members(200), make.quest()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM FULL ANALYZE quests, badges"))
    for number in range(60):
        make.quest(f"Other {number}")
    batch = make.batch(members, quest, published=True)
    db.session.remove()
    db.engine.dispose()  # a connection plans the triggers' statements once
    with transaction():
        claimed = processing.claim(batch.id, "worker", 20, 200, now())
    with transaction():
        assert processing.process_chunk(claimed, 200, now())
        rows = db.session.scalar(
            text(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
                "WHERE relid = 'quests'::regclass"
            )
        )
    assert awards() == 200
    assert rows < 10 * 200  # joining each award with all quests reads 4,245


def test_one_of_many_claims_gets_the_batch(make: Make) -> None:  # J10
    batch = make.batch(make.members(3), published=True)
    with transaction():
        claimed = processing.claim(batch.id, "first", 20, 4, now())
        assert (claimed.single_step_left, claimed.shared) == (0, False)
    with transaction():
        assert processing.claim(batch.id, "second", 20, 4, now()) is None
    assert processing.waiting() == []


def test_an_expired_lease_is_taken_over_and_the_late_worker_changes_nothing(make: Make) -> None:
    """J11: fencing."""
    batch = make.batch(make.members(3), published=True)
    with transaction():
        claimed = processing.claim(batch.id, "frozen", -1, 4, now())
    assert processing.waiting() == [batch.id]
    with transaction():
        processing.claim(batch.id, "second", 20, 4, now())
    with transaction():
        with pytest.raises(leases.LeaseLostError):
            processing.process_chunk(claimed, 4, now())
        leases.release(BatchRange, claimed.id, "frozen")
    assert outcomes(batch.id) == {"None": 3}
    assert db.session.scalars(select(BatchRange.lease_owner)).all() == ["second"]


def test_a_released_batch_waits_again(make: Make) -> None:
    batch = make.batch(make.members(9), published=True)
    with transaction():
        claimed = processing.claim(batch.id, "one", 20, 4, now())
    with transaction():
        processing.process_chunk(claimed, 4, now())
    with transaction():
        leases.release(BatchRange, claimed.id, "one")
    running = drafts.get(batch.id)
    assert (running.status_label, running.percent) == ("In Progress", 44)
    assert processing.waiting() == [batch.id]
    assert run(batch.id, "two")[-1] is False
    assert awards() == 9


def test_five_claims_without_progress_end_the_batch_with_the_cause(make: Make) -> None:
    """B-40, second half: a batch without progress is not retried forever."""
    batch = make.batch(make.members(3), published=True)
    for number in range(5):
        with transaction():
            claimed = processing.claim(batch.id, f"w{number}", -1, 4, now())
            assert claimed is not None
        with transaction():
            leases.record_error(BatchRange, claimed.id, f"w{number}", "DiskFull")
    with transaction():
        assert processing.claim(batch.id, "w6", 20, 4, now()) is None
    done = drafts.get(batch.id)
    assert (done.status_label, done.errors) == ("Partially published", 3)
    reason = db.session.scalars(select(Entry).limit(1)).one().reason
    assert reason == "The batch was stopped after five attempts without progress (DiskFull)."
    assert processing.waiting() == []


def test_after_a_claim_without_progress_entries_are_processed_one_by_one(make: Make) -> None:
    """J16: the count of attempts is stored, and the suspect is processed last."""
    ids = make.members(4)
    batch = make.batch(ids, published=True)
    with transaction():
        claimed = processing.claim(batch.id, "dies", -1, 4, now())
        assert claimed.single_step_left == 0
    with transaction():
        claimed = processing.claim(batch.id, "dies again", -1, 4, now())
        assert claimed.single_step_left == 4
    with transaction():
        processing.count_attempt(claimed)
    with transaction():
        claimed = processing.claim(batch.id, "lives", 20, 4, now())
        assert claimed.single_step_left == 4
    with transaction():
        only = processing.count_attempt(claimed)
    with transaction():
        processing.process_chunk(claimed, 4, now(), only)
    decided = db.session.scalars(select(Entry).where(Entry.outcome.is_not(None))).all()
    assert [entry.member_id for entry in decided] == [ids[1]]
    tried = db.session.scalars(select(Entry).where(Entry.member_id == ids[0])).one()
    assert (tried.attempts, tried.outcome) == (1, None)


def test_statements_do_not_grow_with_the_rows(make: Make, app: object) -> None:
    """A chunk of 5 and a chunk of 500 take the same number of statements."""
    from tests.counting import statements

    numbers = []
    for size in (5, 500):
        batch = make.batch(make.members(size, f"s{size}-"), published=True)
        with transaction():
            claimed = processing.claim(batch.id, "one", 20, 500, now())
        with statements() as counted, transaction():
            processing.process_chunk(claimed, 500, now())
        numbers.append(len(counted))
    assert numbers[0] == numbers[1] <= 8


def test_publishing_again_returns_the_unchanged_batch(make: Make) -> None:  # X25
    actor = Actor(at=now(), origin=Origin.CONSOLE)
    batch = make.batch(make.members(3), published=True)
    with transaction():
        again = runs.publish(batch.id, actor)
        assert (again.status_label, again.run_total) == ("Unpublished", 3)
    assert db.session.scalar(select(func.count()).select_from(Batch)) == 1
