"""R1, R9: random kill -9 of all processes; progress never falls, and the final counts are correct."""

from __future__ import annotations

import random
import time

import pytest
from sqlalchemy import func, select

from tests.faults.console import Console, await_, horse, kill
from webapp.database import db
from webapp.domain.operations import maintenance
from webapp.models import Batch, Entry


@pytest.mark.timeout(300)
def test_one_seed(console: Console) -> None:
    """J24, B-29, I133: the short run, one seed per database."""
    chaos(console, seed=1, size=1_500, seconds=12)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_many_seeds(console: Console, seed: int) -> None:
    """J24, R1: three seeds per database, 4 × 5,000 entries, 40 seconds of kills."""
    chaos(console, seed=seed, size=5_000, seconds=40)


def chaos(console: Console, seed: int, size: int, seconds: float) -> None:
    """Four batches, two of which share half their members, while processes are killed at random."""
    chance = random.Random(seed)
    members = console.make.members(4 * size)
    quest = console.make.quest()
    groups = [
        (quest, members[:size]),
        (quest, members[size // 2 : size + size // 2]),
        (console.make.quest(), members[2 * size : 3 * size]),
        (console.make.quest(), members[3 * size :]),
    ]
    due = {(quest_.id, member) for quest_, group in groups for member in group}
    workers = [console.start_worker(), console.start_worker()]
    clocks = [console.start_clock()]
    batches = [
        console.make.batch(group, quest_, f"Chaos {place}", published=True)
        for place, (quest_, group) in enumerate(groups)
    ]
    killed = dict.fromkeys(["worker", "child", "clock", "queue"], 0)
    progress = Progress(console, batches)
    # At least one dies at work, however quickly the batches are unlocked.
    kill(await_(lambda: next(filter(None, map(horse, workers)), None), 60, "a worker has a job"))
    killed["child"] += 1
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        progress.look()
        time.sleep(chance.uniform(0.2, 0.8))  # only the moment of the kill is random
        whom = chance.choice(list(killed))
        if whom == "queue":
            console.kill_queue()
            console.start_queue()
        elif whom == "child":
            child = horse(chance.choice(workers))
            if child is None:
                continue
            kill(child)
        else:
            some, start = (
                (workers, console.start_worker)
                if whom == "worker"
                else (clocks, console.start_clock)
            )
            place = chance.randrange(len(some))
            if whom == "worker" and not horse(some[place]):
                continue  # it is still starting, or idle: killing it tests nothing
            some[place].kill()
            some[place].wait()
            some[place] = start()
        killed[whom] += 1
    await_(progress.ended, 120, f"{killed}")
    assert killed["child"] + killed["worker"], "nobody was killed at work"
    assert console.awards() == len(due)
    ended = [console.batch(batch.id) for batch in batches]
    assert [(one.status_label, one.errors) for one in ended] == [("Published", 0)] * 4
    assert sum(one.published - one.already_held for one in ended) == len(due)
    open_entries = select(func.count()).where(Entry.outcome.is_(None))
    assert console.read(lambda: db.session.scalar(open_entries)) == 0
    assert console.read(lambda: maintenance.differing(since=batches[0].created_at)) == []
    assert [one.run_processed for one in ended] == [one.entry_count for one in ended]
    assert console.named_in_the_queue() == []
    print(
        f"R1 seed {seed}: {sum(killed.values())} kills {killed}, {len(due)} of {len(due)} awards, none twice; "
        f"R9: progress looked at {progress.looks} times"
    )


class Progress:
    """The progress of batches as people see it; fails if it falls or exceeds the total (R9)."""

    def __init__(self, console: Console, batches: list[Batch]) -> None:
        self.console, self.ids, self.looks = console, [batch.id for batch in batches], 0
        self.before = dict.fromkeys(self.ids, 0)

    def look(self) -> list[Batch]:
        """Check once."""
        now = [self.console.batch(one) for one in self.ids]
        for batch in now:
            assert self.before[batch.id] <= batch.run_processed <= batch.run_total
            assert batch.published + batch.errors == batch.run_processed
            assert (batch.percent == 100) == (batch.run_processed == batch.run_total)
            self.before[batch.id] = batch.run_processed
        self.looks += 1
        return now

    def ended(self) -> bool:
        """Check, and return True if none is running."""
        return not any(batch.running for batch in self.look())
