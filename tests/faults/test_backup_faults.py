"""R12: a backup made while batches run, restored elsewhere, where workers continue."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from tests.faults.console import ROOT, Console, await_
from webapp.cli.backups.dump import write_backup
from webapp.database import db
from webapp.domain.operations import maintenance
from webapp.models import AuditEvent, Award, Badge, Batch, Entry, Member


def laurel(console: Console, *arguments: str) -> str:
    """Run a command alongside the console's processes."""
    done = subprocess.run(
        [sys.executable, "-m", "webapp.cli", *arguments],
        cwd=ROOT,
        env=console.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def counts(console: Console) -> dict[str, int]:
    """The number of rows of the important tables, and of awards counted for badges."""

    def count() -> dict[str, int]:
        found = {
            table.__tablename__: db.session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Member, Batch, Entry, Award, AuditEvent)
        }
        return {**found, "holders": db.session.scalar(select(func.sum(Badge.holders))) or 0}

    return console.read(count)


def drill(consoles: Callable[..., Console], size: int) -> None:
    """Two batches that share half their members; a backup midway; both consoles come to the same result."""
    quick = {"LAUREL_LEASE_SECONDS": "2", "LAUREL_TICK_SECONDS": "0.5", "LAUREL_CHUNK_SIZE": "20"}
    console = consoles(**quick)
    console.start_queue()
    members = console.make.members(size + size // 2)
    quest = console.make.quest()
    batches = [
        console.make.batch(members[:size], quest, "One", published=True),
        console.make.batch(members[size // 2 :], quest, "Other", published=True),
    ]
    worker, clock = console.start_worker(), console.start_clock()
    await_(lambda: console.batch(batches[0].id).run_processed > size // 5, 30, "it is on its way")
    file = console.folder / "laurel.backup"
    write_backup(console.settings, file)  # in this process: start-up would take too long

    def ended() -> bool:
        return not any(console.batch(batch.id).running for batch in batches)

    await_(ended, 60, lambda: f"the console goes on\n{console.log()}")
    for process in (worker, clock):
        process.terminate()
        assert process.wait(15) == 0
    first = judged(console, batches, len(members))

    laurel(console, "restore", str(file), "--replace")
    at_the_backup = counts(console)
    assert at_the_backup["awards"] < len(members)
    assert at_the_backup["awards"] == at_the_backup["holders"]
    assert any(console.batch(batch.id).running for batch in batches)
    console.start_clock()
    console.start_worker()
    await_(ended, 60, lambda: f"the restored one goes on by itself\n{console.log()}")
    second = judged(console, batches, len(members))
    assert {**second, "audit_events": 0} == {**first, "audit_events": 0}
    print(f"at the backup {at_the_backup}; at the end {first}, and after the restore {second}")


def judged(console: Console, batches: list[Batch], due: int) -> dict[str, int]:
    """Check R1's invariants: every batch finished, each member awarded once, all counts correct."""
    done = [console.batch(batch.id) for batch in batches]
    assert [(one.status_label, one.errors) for one in done] == [("Published", 0)] * len(done)
    assert console.awards() == due
    assert sum(one.published - one.already_held for one in done) == due
    assert console.read(lambda: maintenance.differing(since=batches[0].created_at)) == []
    found = counts(console)
    assert found["holders"] == due
    return found


def test_a_backup_in_the_middle_of_batches_is_restored_and_continues(
    consoles: Callable[..., Console],
) -> None:
    """R12, I130: no award is lost or duplicated, without any action by people."""
    drill(consoles, 1_000)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_the_same_with_full_batches(consoles: Callable[..., Console]) -> None:
    """R12: 2 × 5,000 entries."""
    drill(consoles, 5_000)
