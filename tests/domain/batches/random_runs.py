"""Random actions on a batch, one after the other, for `test_status.py`."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sqlalchemy import select, update

from tests.domain.batches.test_processing import LONG_AGO
from tests.domain.batches.test_runs import set_status
from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import leases
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, entries, processing, runs
from webapp.domain.errors import DomainError
from webapp.domain.operations import maintenance
from webapp.models import Award, BatchRange, Entry, MemberStatus, Origin
from webapp.transaction import transaction

STEPS = [
    "publish",
    "work",
    "work",
    "work",
    "stop",
    "retry",
    "dismiss",
    "add",
    "add",
    "undo",
    "remove",
    "heal",
    "hurt",
    "revoke",
    "finish",
]


class Mixed:
    """A batch with random actions; counts and percentages are checked after each."""

    def __init__(self, make: Make, seed: int) -> None:
        self.chance = random.Random(seed)
        self.members = make.members(30)
        self.quest = make.quest()
        for member_id in self.members[:3]:
            make.award(member_id, self.quest.id)
        set_status(MemberStatus.SUSPENDED, *self.members[-6:])
        self.batch = make.batch(self.members[:12], self.quest)
        self.at = NOW
        self.percent: tuple[datetime | None, int] = (None, 0)

    def actor(self) -> Actor:
        self.at += timedelta(seconds=1)
        return Actor(self.at, Origin.CONSOLE)

    def step(self) -> str:
        """Do one thing, rejected or not, and check all invariants."""
        name = self.chance.choice(STEPS)
        try:
            getattr(self, name)()
        except DomainError:
            name += " refused"
        self.judge(name)
        return name

    def publish(self) -> None:
        with transaction():
            runs.publish(self.batch.id, self.actor())

    def work(self, chunks: int = 1) -> None:
        at = self.actor().at
        with transaction():
            claimed = processing.claim(self.batch.id, "w", 60, 4, at)
        if claimed is None:
            return
        for _ in range(chunks):
            with transaction():
                if not processing.process_chunk(claimed, self.chance.randint(1, 6), at):
                    return
        with transaction():
            leases.release(BatchRange, claimed.id, "w")

    def finish(self) -> None:
        if self.chance.random() < 0.5:
            self.work(40)

    def stop(self) -> None:
        with transaction():
            runs.stop(self.batch.id, self.actor())

    def retry(self) -> None:
        with transaction():
            runs.retry(self.batch.id, self.actor())

    def dismiss(self) -> None:
        with transaction():
            runs.dismiss(self.batch.id, self.actor())

    def undo(self) -> None:
        if self.chance.random() < 0.3:
            with transaction():
                runs.undo(self.batch.id, self.actor())

    def add(self) -> None:
        some = self.chance.sample(self.members, 4)
        with transaction():
            drafts.add_members(self.batch.id, some, 100, self.actor())

    def remove(self) -> None:
        there = db.session.scalars(select(Entry.id).order_by(Entry.id)).all()
        if not there:
            return
        entry_id = self.chance.choice(there)
        with transaction():
            drafts.remove_member(self.batch.id, entry_id, self.actor())

    def heal(self) -> None:
        set_status(MemberStatus.ACTIVE, *self.chance.sample(self.members, 5))

    def hurt(self) -> None:
        set_status(MemberStatus.LEFT, *self.chance.sample(self.members, 2))

    def revoke(self) -> None:
        at = self.actor().at
        with transaction():
            db.session.execute(
                update(Award)
                .where(
                    Award.member_id == self.chance.choice(self.members),
                    Award.revoked_at.is_(None),
                )
                .values(revoked_at=at, revoke_source="profile")
            )

    def judge(self, name: str) -> None:
        batch = drafts.get(self.batch.id)
        assert maintenance.differing(since=LONG_AGO) == [], name
        shown = entries.counts(batch)
        assert sum(shown.values()) == batch.entry_count, name
        for word in ("Unpublished", "In Progress", "Published", "Error"):
            assert entries.page(batch, 1, word).total == shown.get(word, 0), (name, word)
        assert 0 <= batch.run_processed <= batch.run_total, name
        assert batch.run_at != self.percent[0] or batch.percent >= self.percent[1], name
        self.percent = (batch.run_at, batch.percent)
        if not batch.running and not batch.draft:
            word = "Partially published" if batch.errors else "Published"
            assert batch.status_label == word, name
            assert db.session.scalars(select(BatchRange)).all() == [], name
