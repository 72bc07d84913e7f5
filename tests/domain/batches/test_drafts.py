"""A draft is named, filled and published (B-4, B-7, B-20, B-22 to B-25, B-30)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from tests.counting import statements
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.badges import quests as badge_quests
from webapp.domain.batches import drafts, entries, runs
from webapp.domain.batches.drafts import Heading
from webapp.domain.errors import DomainError, NotFoundError
from webapp.models import (
    AuditEvent,
    Badge,
    Batch,
    BatchStatus,
    Entry,
    Origin,
    Outcome,
    Quest,
    Upload,
)
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.CONSOLE)
LATER = Actor(at=NOW + timedelta(hours=1), origin=Origin.CONSOLE)


def archive(kind: type[Quest] | type[Badge], identity: int) -> None:
    with transaction():
        db.session.execute(update(kind).where(kind.id == identity).values(archived_at=NOW))


def test_a_draft_may_be_empty(make: Make) -> None:
    """B-7: neither name nor badge is required before publishing."""
    with transaction():
        batch_id = drafts.create(Heading(), ACT).id
    batch = drafts.get(batch_id)
    assert (batch.name, batch.quest_id, batch.status) == ("", None, BatchStatus.DRAFT)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("x" * 121, "121"), ("x" * 10_000, "10,000"), ("a\x00b", "NUL")],
)
def test_names_that_are_refused(make: Make, name: str, reason: str) -> None:
    """B-4: at most 120 characters; the error is at the field."""
    with pytest.raises(DomainError, match=reason) as refused, transaction():
        drafts.create(Heading(name), ACT)
    assert refused.value.field == "name"
    assert db.session.scalar(select(func.count()).select_from(Batch)) == 0


def test_names_need_not_be_unique(make: Make) -> None:
    """B-4: two batches may have the same name, of 120 characters."""
    for _ in range(2):
        with transaction():
            drafts.create(Heading(f" {'ü' * 120} "), ACT)
    assert db.session.scalar(select(func.count()).select_from(Batch)) == 2


def test_saving_twice_records_one_change(make: Make) -> None:
    """B-7: saving the same heading again changes and records nothing."""
    batch = make.batch(name="Before")
    for _ in range(2):
        with transaction():
            drafts.save(batch.id, Heading("After", batch.quest_id), LATER)
    verbs = db.session.scalars(select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert verbs == ["batch.created", "batch.changed"]


def test_the_quest_is_fixed_after_the_publish(make: Make) -> None:
    """B-7: a published batch keeps its quest, and can be renamed; its page sends no quest."""
    batch = make.batch(published=True)
    with transaction():
        drafts.save(batch.id, Heading("New name"), LATER)
    assert drafts.get(batch.id).name == "New name"
    assert drafts.get(batch.id).quest_id == batch.quest_id
    other = make.quest()
    with pytest.raises(DomainError, match="You can't change the badge"), transaction():
        drafts.save(batch.id, Heading("New name", other.id), LATER)
    with pytest.raises(DomainError, match="Enter a name"), transaction():
        drafts.save(batch.id, Heading("  "), LATER)


def test_quests_to_choose_from(make: Make) -> None:
    """B-5: badges by name with their active quests; a draft's earlier choice stays among them."""
    kind, quiet = make.badge("kind"), make.badge("Able")
    first, second = make.quest("First", kind), make.quest("Second", kind)
    gone = make.quest("Gone", quiet)
    archive(Quest, gone.id)
    named = [
        (badge.name, [quest.name for quest in quests]) for badge, quests in badge_quests.choices()
    ]
    assert named == [("kind", ["First", "Second"])]
    archive(Badge, kind.id)
    assert badge_quests.choices() == []
    chosen = [[quest.id for quest in quests] for _, quests in badge_quests.choices(second.id)]
    assert chosen == [[second.id]]
    assert first.id != second.id


def test_a_quest_that_cannot_be_awarded(make: Make) -> None:
    """M-15: an archived quest, or one that does not exist, gets an error at its field."""
    quest = make.quest()
    archive(Quest, quest.id)
    for identity in (quest.id, -1, 999):
        with pytest.raises(DomainError) as refused, transaction():
            drafts.create(Heading("x", identity), ACT)
        assert refused.value.field == "quest"


@pytest.mark.parametrize("kind", [Quest, Badge])
def test_archived_between_draft_and_publish(make: Make, kind: type[Quest] | type[Badge]) -> None:
    """M-15: the draft stays a draft, and can still be saved."""
    quest = make.quest()
    batch = make.batch(make.members(1), quest)
    archive(kind, quest.id if kind is Quest else quest.badge_id)
    with transaction():
        drafts.save(batch.id, Heading("Renamed", quest.id), ACT)
    with pytest.raises(DomainError, match="archived") as refused, transaction():
        runs.publish(batch.id, ACT)
    assert refused.value.field == "quest"
    assert drafts.get(batch.id).draft


@pytest.mark.parametrize(("name", "field"), [("", "name"), ("x", "quest")])
def test_publishing_requires_name_and_badge(make: Make, name: str, field: str) -> None:
    """B-7: name and badge are required at `Publish`."""
    with transaction():
        batch_id = drafts.create(Heading(name), ACT).id
    with pytest.raises(DomainError) as refused, transaction():
        runs.publish(batch_id, ACT)
    assert refused.value.field == field


def test_published_without_members(make: Make) -> None:
    """B-24: a batch without members is `Published` immediately."""
    assert make.batch(published=True).status_label == "Published"


def test_published_with_members(make: Make) -> None:
    """B-23: `Unpublished` until the first member is unlocked; publishing again changes nothing."""
    batch = make.batch(make.members(3), published=True)
    assert (batch.status_label, batch.run_total, batch.percent) == ("Unpublished", 3, 0)
    with transaction():
        again = runs.publish(batch.id, LATER)
        assert again.published_at == NOW
    assert db.session.scalar(select(func.count()).where(AuditEvent.verb == "batch.published")) == 1


def test_added_members_are_a_run_of_their_own(make: Make) -> None:
    """B-23, B-36: members added to a `Published` batch don't change its status; the next publish takes only them."""
    ids = make.members(3)
    batch = make.batch(published=True)
    with transaction():
        drafts.add_members(batch.id, ids, 10, ACT)
    between = drafts.get(batch.id)
    assert (between.status_label, between.undecided) == ("Published", 3)
    with transaction():
        run = runs.publish(batch.id, LATER)
        assert (run.status_label, run.run_total, run.published_at) == ("Unpublished", 3, LATER.at)


def test_members_are_removed_until_they_are_unlocked(make: Make) -> None:
    """B-20: from a draft yes, repeating it changes nothing; during a run or after the unlock no."""
    batch = make.batch(make.members(2))
    first, second = db.session.scalars(select(Entry.id).order_by(Entry.id))
    for _ in range(2):
        with transaction():
            drafts.remove_member(batch.id, first, LATER)
    assert drafts.get(batch.id).entry_count == 1
    with transaction():
        runs.publish(batch.id, LATER)
    with pytest.raises(DomainError, match="so you can't remove them"), transaction():
        drafts.remove_member(batch.id, second, LATER)


def test_an_entry_of_another_batch(make: Make) -> None:
    """W86: an entry is removed from its own batch only."""
    ids = make.members(1)
    batch, other = make.batch(ids), make.batch()
    entry_id = db.session.scalar(select(Entry.id))
    with pytest.raises(NotFoundError), transaction():
        drafts.remove_member(other.id, entry_id, ACT)
    assert drafts.get(batch.id).entry_count == 1


def test_a_draft_is_deleted_whole(make: Make) -> None:
    """B-7: with its entries and its file; its audit log entries stay. A published batch can't be deleted."""
    batch = make.batch(make.members(2))
    upload = Upload(batch_id=batch.id, sha256="0", created_at=NOW, content=b"x", preview=b"x")
    with transaction():
        db.session.add(upload)
    with transaction():
        drafts.delete_draft(batch.id, ACT)
    for kind in (Batch, Entry, Upload):
        assert db.session.scalar(select(func.count()).select_from(kind)) == 0
    published = make.batch(published=True)
    assert published.id > batch.id  # an old tab never acts on another batch
    with pytest.raises(DomainError, match="You can delete only drafts"), transaction():
        drafts.delete_draft(published.id, ACT)


def test_entries_by_status(make: Make) -> None:
    """B-25, B-35: each status lists its entries, and the batch's counts match."""
    batch = make.batch(make.members(4), published=True)
    ids = list(db.session.scalars(select(Entry.id).order_by(Entry.id)))
    outcomes = [Outcome.AWARDED, Outcome.ALREADY_HELD, Outcome.LEFT]
    with transaction():
        for entry_id, outcome in zip(ids, outcomes, strict=False):
            db.session.get_one(Entry, entry_id).outcome = outcome
        running = db.session.get_one(Batch, batch.id)
        running.status = BatchStatus.IN_PROGRESS
        running.published, running.already_held, running.errors, running.run_processed = 2, 1, 1, 3
    batch = drafts.get(batch.id)
    assert entries.counts(batch) == {"In Progress": 1, "Published": 2, "Error": 1}
    for status, expected in {
        None: ids[::-1],
        "Published": ids[1::-1],
        "Error": [ids[2]],
        "In Progress": [ids[3]],
        "Unpublished": [],
    }.items():
        assert [entry.id for entry in entries.page(batch, 1, status).items] == expected
    words = [entry.status_in(batch) for entry in entries.page(batch, 1).items]
    assert words == ["In Progress", "Error", "Published", "Published"]
    reasons = [entry.reason for entry in entries.page(batch, 1).items]
    assert reasons == ["", "This member has left the community.", "Already had it", ""]
    with pytest.raises(DomainError):
        entries.page(batch, 1, "Bogus")


def test_adding_does_not_grow_in_statements(make: Make) -> None:
    """A fixed number of statements for any number of members."""
    ids = make.members(900)
    counted = []
    for some in (ids[:2], ids[2:]):
        batch = make.batch()
        with statements() as seen, transaction():
            assert drafts.add_members(batch.id, some, 5000, ACT) == len(some)
        counted.append(len(seen))
    assert counted[0] == counted[1]
