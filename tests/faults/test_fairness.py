"""A small batch does not wait for the large ones (B-28)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from tests.faults.console import Console, await_
from webapp.database import db
from webapp.domain import tidying
from webapp.models import Batch, Entry

LARGE, SMALL, SECONDS = 5_000, 10, 20


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ten_members_finish_in_seconds_beside_four_batches_of_5000(
    consoles: Callable[..., Console],
) -> None:
    """B-28: one worker, default settings, the small one published last of all while the large ones are in work."""
    console = consoles()
    console.start_queue()
    ids = console.make.members(LARGE + SMALL)
    large = [console.make.batch(ids[:LARGE], name=f"Large {n}", published=True) for n in range(4)]
    console.start_worker()
    console.start_clock()
    await_(lambda: processed(console, large) > 0, 30, "the worker is at a large batch")
    small = console.make.batch(ids[LARGE:], name="Small", published=True)
    before = processed(console, large)
    began = time.monotonic()
    await_(lambda: not console.batch(small.id).running, SECONDS, f"the small one\n{console.log()}")
    took = time.monotonic() - began
    beside = processed(console, large) - before
    assert before < 4 * LARGE, "the large ones were done before: nothing is shown"
    print(f"{console.settings.database_url[:6]}: ten in {took:.1f} s, {beside:,} others meanwhile")
    assert console.batch(small.id).published == SMALL
    await_(lambda: not any(console.batch(one.id).running for one in large), 120, "the large ones")
    undecided = select(func.count()).where(Entry.outcome.is_(None))
    assert console.read(lambda: db.session.scalar(undecided)) == 0
    assert console.awards() == 4 * LARGE + SMALL
    assert console.read(lambda: tidying.differing(since=small.created_at)) == []


def processed(console: Console, some: list[Batch]) -> int:
    return sum(console.batch(batch.id).run_processed for batch in some)
