"""A small batch does not wait for the large ones (B-28)."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import func, select

from tests.faults.console import Console, await_
from webapp.database import db
from webapp.domain.operations import maintenance
from webapp.models import Entry

LARGE, SMALL = 800, 10


def test_ten_members_do_not_wait_for_four_large_batches(consoles: Callable[..., Console]) -> None:
    """B-28: one worker, the small one published last; it ends before any of the large ones."""
    console = consoles(LAUREL_CHUNK_SIZE="50")
    console.start_queue()
    ids = console.make.members(LARGE + SMALL)
    large = [console.make.batch(ids[:LARGE], name=f"Large {n}", published=True) for n in range(4)]
    small = console.make.batch(ids[LARGE:], name="Small", published=True)
    console.fork("tests.faults.turning_worker")
    console.start_clock()
    await_(
        lambda: not any(console.batch(one.id).running for one in [small, *large]), 60, console.log
    )
    ends = select(Entry.batch_id, func.max(Entry.decided_at)).group_by(Entry.batch_id)
    last = console.read(lambda: dict(db.session.execute(ends).all()))
    assert all(last[small.id] < last[one.id] for one in large), last
    undecided = select(func.count()).where(Entry.outcome.is_(None))
    assert console.read(lambda: db.session.scalar(undecided)) == 0
    assert console.batch(small.id).published == SMALL
    assert console.awards() == 4 * LARGE + SMALL
    assert console.read(lambda: maintenance.differing(since=small.created_at)) == []
