"""Nothing is lost or awarded twice, whichever process dies: catalogue J, with real processes and real kills."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import func, select, text

from tests.faults.console import Console, await_, gone, horse, kill
from webapp.database import db
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, runs
from webapp.domain.batches.drafts import Heading
from webapp.domain.operations import maintenance
from webapp.infrastructure import job_queue
from webapp.models import AuditEvent, Batch, Origin
from webapp.transaction import transaction

SIZE = 4_000  # so many that a busy machine sees the middle
FAULTS_TIMEOUT = 240


def published(console: Console, size: int = SIZE) -> Batch:
    """A published batch with this many members (enqueued, if the queue responds)."""
    return console.make.batch(console.make.members(size), published=True)


def in_the_middle(console: Console, batch: Batch) -> None:
    """Return while the batch is neither near its start nor near its end."""
    await_(
        lambda: console.batch(batch.id).run_processed >= batch.entry_count // 5,
        30,
        "a fifth is processed",
    )
    assert console.batch(batch.id).running


@contextmanager
def held_in_the_middle(console: Console, batch: Batch) -> Iterator[Batch]:
    """Pause the batch midway until the block ends: no chunk can be committed.

    A chunk waits for its batch's lock for five seconds, so the block must be shorter.
    """
    in_the_middle(console, batch)
    with console.app.app_context(), transaction():
        now = drafts.lock(batch.id)
        assert now.running, "the batch ended before it could be held"
        yield now


def finished(console: Console, batch: Batch, seconds: float = 30) -> None:
    """The batch ends by itself, with each member awarded exactly once, and no names in the queue (I133)."""
    await_(
        lambda: not console.batch(batch.id).running, seconds, lambda: f"finished\n{console.log()}"
    )
    done = console.batch(batch.id)
    assert (done.status_label, done.percent) == ("Published", 100)
    assert (done.published, done.errors, console.awards()) == (
        batch.entry_count,
        0,
        batch.entry_count,
    )
    assert console.read(lambda: maintenance.differing(since=done.created_at)) == []
    assert console.named_in_the_queue() == []


@pytest.mark.timeout(FAULTS_TIMEOUT)
@pytest.mark.parametrize("whom", ["worker", "queue"])
def test_a_batch_of_5000_survives_kill_9_with_default_settings(
    consoles: Callable[..., Console], whom: str
) -> None:
    """J3, J6, R2, B-29: the worker with its child, or a Valkey without persistence, midway."""
    console = consoles()
    console.start_queue()
    worker = console.start_worker()
    console.start_clock()
    batch = published(console, 5_000)
    in_the_middle(console, batch)
    if whom == "worker":
        child = horse(worker)
        worker.kill()
        worker.wait()
        if child:
            await_(lambda: gone(child), 5, "the child dies with the worker (J2)")
        console.start_worker()
    else:
        console.kill_queue()
        console.start_queue()
    finished(console, batch, 45)


def test_the_child_killed(console: Console) -> None:
    """J1: the current chunk is rolled back and repeated."""
    worker = console.start_worker()
    console.start_clock()
    batch = published(console)
    in_the_middle(console, batch)
    kill(await_(lambda: horse(worker), 5))
    finished(console, batch)
    assert worker.poll() is None


def test_everything_killed_and_started_again(console: Console) -> None:
    """J4: no action by people is needed."""
    worker, clock = console.start_worker(), console.start_clock()
    batch = published(console)
    in_the_middle(console, batch)
    for process in (worker, clock):
        process.kill()
        process.wait()
    console.kill_queue()
    console.start_queue()
    console.start_clock()
    console.start_worker()
    finished(console, batch)


def test_the_queue_forgets_while_the_batch_waits(console: Console) -> None:
    """J5, J9: the job is lost; the clock enqueues it again."""
    batch = published(console)
    assert len(console.redis().keys("rq:job:*")) == 1
    console.redis().flushall()
    console.start_worker()
    console.start_clock()
    finished(console, batch)


def test_the_queue_is_away_when_the_batch_is_published(console: Console) -> None:
    """J7, R3: publishing does not wait for it, and the batch is processed when it is back."""
    console.start_worker()
    console.start_clock()
    batch = console.make.batch(console.make.members(SIZE))
    console.kill_queue()
    began = time.monotonic()
    with console.app.app_context(), transaction():
        runs.publish(batch.id, Actor(at=batch.created_at, origin=Origin.CONSOLE))
    assert time.monotonic() - began < 3  # with RQ's own timeout it would take four
    assert console.batch(batch.id).status_label == "Unpublished"
    console.start_queue()
    finished(console, batch)


def test_fifty_jobs_and_two_workers_make_one_runner(console: Console) -> None:  # J10
    console.start_worker()
    console.start_worker()
    batch = published(console)
    with console.app.app_context():
        for _ in range(50):
            job_queue.enqueue_after_commit("unlock", batch.id)
            job_queue.flush_after_commit()
    console.start_clock()
    finished(console, batch)


# Not on SQLite: if the frozen one is inside a chunk, it holds the only lock, and all others wait for it.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_frozen_worker_is_overtaken_and_changes_nothing_when_it_wakes(console: Console) -> None:
    """J11, R8: its lease has expired, and PostgreSQL's own timeout ends its open transaction."""
    worker = console.start_worker()
    console.start_clock()
    batch = published(console)
    in_the_middle(console, batch)
    child = await_(lambda: horse(worker), 5)
    kill(child, signal.SIGSTOP)
    try:
        console.start_worker()
        finished(console, batch, 40)
    finally:
        kill(child, signal.SIGCONT)
    await_(lambda: gone(child), 10, "the late child ends")
    finished(console, batch)


def asked_to_stop(console: Console) -> bool:
    """True if a worker has logged that it was asked to stop, which it does after telling its child."""
    queue = console.redis()
    return any(queue.hget(key, "shutdown_requested_date") for key in queue.smembers("rq:workers"))


@pytest.mark.parametrize("group", [False, True], ids=["worker", "group"])
def test_sigterm_ends_the_worker_after_its_chunk_and_the_next_one_continues(
    console: Console, group: bool
) -> None:
    """J17, J18, R7: exit code 0 within seconds, and the batch is released."""
    worker = console.start_worker()
    batch = published(console)
    with held_in_the_middle(console, batch):
        if group:
            os.killpg(worker.pid, signal.SIGTERM)
            if child := horse(worker):
                kill(child, signal.SIGTERM)
        else:
            worker.send_signal(signal.SIGTERM)
        await_(lambda: asked_to_stop(console), 1, "the worker has passed it on to its child")
    assert worker.wait(60) == 0
    stopped = console.batch(batch.id)
    assert stopped.running
    assert console.owners(batch.id) == [None]
    console.start_worker()
    finished(console, batch)


def test_two_clocks_do_no_more_than_one(console: Console) -> None:
    """X34: they enqueue pending work, and nothing is done twice."""
    console.start_clock()
    console.start_clock()
    batch = published(console)
    console.redis().flushall()
    await_(lambda: console.redis().llen("rq:queue:laurel"), 10, "a clock rings")
    console.start_worker()
    finished(console, batch)
    publishes = select(func.count()).where(AuditEvent.verb == "batch.published")
    assert console.read(lambda: db.session.scalar(publishes)) == 1


def test_an_entry_that_kills_its_process_becomes_an_error(consoles: Callable[..., Console]) -> None:
    """J16: after a few deaths it is an error with a reason; all others have the badge."""
    console = consoles(
        LAUREL_LEASE_SECONDS="0.2", LAUREL_TICK_SECONDS="0.1", LAUREL_CHUNK_SIZE="10"
    )
    console.start_queue()
    ids = console.make.members(40)
    batch = console.make.batch(ids, published=True)
    console.fork("tests.faults.deadly_worker", DEADLY=str(ids[17]))
    console.start_clock()
    await_(lambda: not console.batch(batch.id).running, 60, lambda: f"finished\n{console.log()}")
    done = console.batch(batch.id)
    assert (done.status_label, done.published, done.errors) == ("Partially published", 39, 1)
    assert console.awards() == 39


def test_worker_and_clock_outlive_an_outage_of_the_queue(console: Console) -> None:
    """J8, R11: both keep running, and batches published in between are processed when the queue is back."""
    clock, worker = console.start_clock(), console.start_worker()
    await_(lambda: console.redis().smembers("rq:workers"), 10, "the worker serves")
    console.kill_queue()
    batch = published(console)
    # Either RQ waits and retries by itself, or it gives up and our loop waits: both are fine.
    noticed = "could not connect to Redis", "waiting for the queue"
    await_(lambda: any(words in console.log() for words in noticed), 30, "the worker noticed")
    await_(lambda: "jobs will be re-queued later" in console.log(), 10, "the clock noticed")
    console.start_queue()
    finished(console, batch)
    assert clock.poll() is None
    assert worker.poll() is None


def test_a_foreign_job_is_refused_and_the_worker_lives(console: Console) -> None:
    """J20, J21: a function that is not ours, a callback that is not ours, a payload that is not JSON."""
    marker = console.folder / "made-by-a-foreign-job"
    worker = console.start_worker()
    console.start_clock()
    bell = Queue(job_queue.QUEUE, connection=console.redis(), serializer=JSONSerializer)
    foreign = bell.enqueue("os.mkdir", str(marker))
    called = bell.enqueue(job_queue.JOBS["unlock"], 0)
    console.redis().hset(called.key, "success_callback_name", "os.getcwd")
    garbage = bell.enqueue(job_queue.JOBS["unlock"], 0)
    console.redis().hset(garbage.key, "data", b"\x80\x04garbage")
    await_(lambda: foreign.get_status(refresh=True) == "failed", 10, console.log)
    batch = published(console)
    finished(console, batch)
    assert not marker.exists()
    assert worker.poll() is None


def test_a_full_disk_or_a_cut_connection_leaves_nothing_half_written(console: Console) -> None:
    """J19: the slice fails, and the batch continues when the database does."""
    console.start_worker()
    console.start_clock()
    batch = published(console)
    in_the_middle(console, batch)
    if not console.settings.sqlite:
        with console.app.app_context(), db.engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
    else:
        # Holding the write lock past the worker's timeout has the same effect on SQLite: its chunk fails.
        with console.app.app_context(), db.engine.connect() as connection:
            connection.execution_options(write=True)
            connection.execute(text("SELECT 1"))
            await_(lambda: "slice failed" in console.log(), 20, "the chunk fails")
    finished(console, batch, 40)


def test_web_writes_are_quick_while_a_batch_runs(consoles: Callable[..., Console]) -> None:
    """X30, R5: no "database is locked"; the figure itself is measured by a benchmark."""
    console = consoles()
    console.start_queue()
    console.start_worker()
    batch = published(console, 5_000)
    await_(lambda: console.batch(batch.id).run_processed, 20, "it runs")
    writes = 0
    while console.batch(batch.id).running:
        with console.app.app_context(), transaction():
            drafts.create(
                Heading(f"Written meanwhile {writes}"),
                Actor(at=batch.created_at, origin=Origin.CONSOLE),
            )
        writes += 1
    assert writes, "the batch was done before: nothing is shown"
    finished(console, batch)
