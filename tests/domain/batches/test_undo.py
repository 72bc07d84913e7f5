"""Undo a batch: its own awards are revoked, others' awards and changes are kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from tests.domain.batches.test_processing import LONG_AGO, awards, now, outcomes, run
from tests.domain.batches.test_runs import ACT, done, partly, recorded, seen, set_status
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import leases
from webapp.domain.batches import drafts, entries, forecasts, processing, runs
from webapp.domain.batches.forecasts import Reversal
from webapp.domain.errors import DomainError
from webapp.domain.operations import maintenance
from webapp.models import Award, Batch, BatchRange, Entry, MemberStatus
from webapp.transaction import transaction


def test_undo_revokes_only_the_batchs_unchanged_awards(make: Make) -> None:
    """B-38: earlier awards and changes by people are kept; both actions stay in the history."""
    ids, quest = make.members(6), make.quest()
    make.award(ids[0], quest.id)  # held before
    batch = make.batch(ids, quest, published=True)
    set_status(MemberStatus.LEFT, ids[5])  # an error: nothing to revoke
    run(batch.id)
    with transaction():  # one revoked by hand, one revoked and awarded again
        touched = Award.member_id.in_(ids[1:3]), Award.batch_id == batch.id
        db.session.execute(
            update(Award).where(*touched).values(revoked_at=NOW, revoke_source="profile")
        )
    make.award(ids[2], quest.id)
    assert forecasts.reversal(drafts.get(batch.id)) == Reversal(take_back=2, keep=2, not_held=1)
    done(runs.undo, batch)
    running = drafts.get(batch.id)
    assert (running.status_label, running.run_total, running.percent) == ("In Progress", 5, 0)
    assert entries.counts(running) == {"Published": 5, "Error": 1}
    run(batch.id, chunk=2)
    assert outcomes(batch.id) == {"revoked_by_undo": 2, "kept": 2, "not_held": 1, "left": 1}
    assert seen(batch) == ("Partially published", 6, 5, 1), "the status stays (B-23)"
    assert drafts.get(batch.id).undone_at is not None
    holders = select(Award.member_id).where(Award.revoked_at.is_(None)).order_by(Award.member_id)
    assert list(db.session.scalars(holders)) == [ids[0], ids[2]]
    reasons = {entry.member_id: entry.reason for entry in entries.page(drafts.get(batch.id)).items}
    assert [reasons[one] for one in ids[:5]] == [
        "Kept (had it before this batch)",
        "No longer had it (revoked since)",
        "Kept (awarded again since)",
        "Removed",
        "Removed",
    ]
    ways = select(Award.source, Award.revoke_source).where(Award.member_id == ids[3])
    assert db.session.execute(ways).all() == [("batch", "batch")]
    assert maintenance.differing(since=LONG_AGO) == []


def test_a_repeated_undo_has_one_effect(make: Make) -> None:
    """B-38: while it runs, and after it."""
    batch = make.batch(make.members(5), published=True)
    run(batch.id)
    done(runs.undo, batch)
    done(runs.undo, batch)
    run(batch.id)
    assert done(runs.undo, batch).undone_at == NOW
    assert recorded("batch.undone") == [5]
    assert awards() == 0


def test_after_an_undo_the_rest_is_refused(make: Make) -> None:
    """B-23, B-36, B-38: adding, retry, dismiss and publish; with the reason."""
    batch, more = partly(make), make.members(1, "more")
    done(runs.undo, batch)
    for _ in range(2):  # while it runs, and afterwards
        for verb in (runs.retry, runs.dismiss):
            with pytest.raises(DomainError, match="was undone"):
                done(verb, batch)
        with pytest.raises(DomainError, match="was undone"), transaction():
            drafts.add_members(batch.id, more, 10, ACT)
        if drafts.get(batch.id).running:
            run(batch.id)
    assert seen(batch) == ("Partially published", 5, 3, 2)
    with transaction():
        assert runs.publish(batch.id, ACT).published_at == NOW
    assert recorded("batch.published") == [5]


def test_members_added_and_never_published_stay_so(make: Make) -> None:
    """B-23, B-38: an undo does not touch them, and their status stays `Unpublished`."""
    ids = make.members(5)
    batch = make.batch(ids[:3], published=True)
    run(batch.id)
    with transaction():
        drafts.add_members(batch.id, ids[3:], 10, ACT)
    done(runs.undo, batch)
    with transaction():
        claimed = processing.claim(batch.id, "one", 20, 4, now())
    running = drafts.get(batch.id)
    assert entries.counts(running) == {"Unpublished": 2, "Published": 3}
    assert entries.page(running, 1, "In Progress").items == []
    words = [entry.status_in(running) for entry in entries.page(running).items]
    assert words == ["Unpublished"] * 2 + ["Published"] * 3
    with transaction():
        leases.release(BatchRange, claimed.id, "one")
    run(batch.id)
    assert outcomes(batch.id) == {"revoked_by_undo": 3, "None": 2}
    assert maintenance.differing(since=LONG_AGO) == []


def test_unfinished_batches_cannot_be_undone(make: Make) -> None:
    """B-38: a draft, a running batch, and one that unlocked no one."""
    for batch in (
        make.batch(make.members(1, "a")),
        make.batch(make.members(1, "b"), published=True),
    ):
        with pytest.raises(DomainError, match="You can undo only finished batches"):
            done(runs.undo, batch)
    with pytest.raises(DomainError, match="nothing to undo"):
        done(runs.undo, make.batch(published=True))


def test_an_undo_without_progress_continues_when_repeated(make: Make) -> None:
    """B-38, B-40: after five claims without progress it ends, reports how far it got, and can be continued."""
    batch = make.batch(make.members(9), published=True)
    run(batch.id)
    done(runs.undo, batch)
    with transaction():
        claimed = processing.claim(batch.id, "one", -1, 4, now())
    with transaction():
        processing.process_chunk(claimed, 4, now())
    for number in range(6):
        with transaction():
            claimed = processing.claim(batch.id, f"w{number}", -1, 4, now())
    broken = drafts.get(batch.id)
    assert (broken.status_label, broken.undo_incomplete, broken.undoable) == (
        "Published",
        True,
        True,
    )
    assert (broken.run_total - broken.run_processed, awards()) == (5, 5)
    done(runs.undo, batch)
    run(batch.id)
    assert (awards(), drafts.get(batch.id).undo_incomplete) == (0, False)
    assert recorded("batch.undone") == [9, 5]


@pytest.fixture
def stubborn(make: Make) -> Iterator[Batch]:
    """A batch with an award whose revocation the database rejects."""
    ids = make.members(5)
    batch = make.batch(ids, published=True)
    run(batch.id)
    with transaction():
        if db.engine.dialect.name == "sqlite":
            db.session.execute(
                text(
                    f"CREATE TRIGGER stubborn BEFORE UPDATE ON awards WHEN NEW.member_id = {ids[2]} "
                    "BEGIN SELECT RAISE(ABORT, 'stubborn'); END"
                )
            )
        else:
            db.session.execute(
                text(
                    "CREATE OR REPLACE FUNCTION stubborn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    f"IF NEW.member_id = {ids[2]} THEN RAISE EXCEPTION 'stubborn'; END IF; RETURN NEW; END $$"
                )
            )
            db.session.execute(
                text(
                    "CREATE TRIGGER stubborn BEFORE UPDATE ON awards "
                    "FOR EACH ROW EXECUTE FUNCTION stubborn()"
                )
            )
    yield batch
    with transaction():
        on = "" if db.engine.dialect.name == "sqlite" else " ON awards"
        db.session.execute(text(f"DROP TRIGGER stubborn{on}"))


def test_an_award_that_cannot_be_revoked_is_kept_and_the_others_are_revoked(
    stubborn: Batch,
) -> None:
    """B-38, J15: after three attempts; the entry says so."""
    from sqlalchemy.exc import DBAPIError

    done(runs.undo, stubborn)
    with transaction():
        claimed = processing.claim(stubborn.id, "one", 60, 4, now())
    for _ in range(30):
        with transaction():
            only = processing.count_attempt(claimed)
        try:
            with transaction():
                if not processing.process_chunk(claimed, 1, now(), only):
                    break
        except DBAPIError:
            continue
    assert outcomes(stubborn.id) == {"revoked_by_undo": 4, "kept": 1}
    assert drafts.get(stubborn.id).status_label == "Published"
    kept = select(Entry).where(Entry.outcome == "kept")
    assert db.session.scalars(kept).one().reason == "Kept (could not be undone)"


def test_a_concurrent_award_and_undo_have_an_order(app: Flask, make: Make) -> None:
    """X27: one batch is undone while another unlocks the same members: each entry has the true result."""
    ids, quest = make.members(60), make.quest()
    first = make.batch(ids, quest, published=True)
    run(first.id, chunk=60)
    done(runs.undo, first)
    second = make.batch(ids[::-1], quest, published=True)
    together = Barrier(2)

    def work(batch_id: int) -> None:
        with app.app_context():
            together.wait()
            run(batch_id, f"w{batch_id}", chunk=7)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, (first.id, second.id)))
    assert outcomes(first.id) == {"revoked_by_undo": 60}
    given = outcomes(second.id)
    assert sum(given.values()) == 60
    assert awards() == given.get("awarded", 0)
    assert maintenance.differing(since=LONG_AGO) == []


def test_concurrent_undos_start_one_run(app: Flask, make: Make) -> None:
    """X27, B-38: one of eight concurrent requests starts the run."""
    batch = make.batch(make.members(3), published=True)
    run(batch.id)
    together = Barrier(8)

    def undo(_: int) -> str:
        with app.app_context():
            together.wait()
            with transaction():
                return runs.undo(batch.id, ACT).status_label

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(undo, range(8))) == {"In Progress"}
    assert recorded("batch.undone") == [3]
