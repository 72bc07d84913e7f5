"""Whatever someone writes into the queue's server: worker and clock keep running, and the work is done."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from tests.faults.console import Console, await_
from webapp.infrastructure import job_queue

QUEUE = f"rq:queue:{job_queue.QUEUE}"
GARBAGE = b"\xff\xfe garbage \x00"


def enqueue(server: redis.Redis, **fields: bytes | str) -> None:
    """One of our jobs, with some fields overwritten before a worker sees it."""
    bell = Queue(job_queue.QUEUE, connection=server, serializer=JSONSerializer)
    job = bell.create_job(job_queue.JOBS["unlock"], args=(0,), timeout=60, result_ttl=0)
    job.save()
    server.hset(job.key, mapping=dict(fields))
    server.rpush(QUEUE, job.id)


def names(server: redis.Redis, key: bytes | str, value: bytes | str) -> None:
    """A job's id in the queue, and the value of its key instead of a job."""
    server.set(key, value)
    server.rpush(QUEUE, key.removeprefix("rq:job:") if isinstance(key, str) else key)


def replaced(key: str) -> Callable[[redis.Redis], None]:
    """One of RQ's keys, with another type."""

    def poison(server: redis.Redis) -> None:
        server.delete(key)
        server.set(key, GARBAGE)

    return poison


POISONS: dict[str, Callable[[redis.Redis], object]] = {
    "suspended": lambda server: server.set("rq:suspended", 1),
    "an id of nothing": lambda server: server.rpush(QUEUE, "nothing"),
    "an id that is not UTF-8": lambda server: server.rpush(QUEUE, GARBAGE),
    "an empty id": lambda server: server.rpush(QUEUE, ""),
    "an id of a string": lambda server: names(server, "rq:job:text", "text"),
    "data that is not JSON": lambda server: enqueue(server, data=GARBAGE),
    "deep data": lambda server: enqueue(server, data="[" * 100_000),
    "a foreign function": lambda server: enqueue(server, data='["os.mkdir", null, ["/x"], {}]'),
    "arguments of no kind": lambda server: enqueue(
        server, data=json.dumps([job_queue.JOBS["unlock"], None, ["x", {}, 10**30], {"y": 1}])
    ),
    "a time limit of no kind": lambda server: enqueue(server, timeout="soon"),
    "a moment of no kind": lambda server: enqueue(server, created_at=GARBAGE),
    "a state of no kind": lambda server: enqueue(server, status="asleep"),
    "numbers of no kind": lambda server: enqueue(server, result_ttl="never", failure_ttl="x"),
    "dependencies of no kind": lambda server: enqueue(server, dependency_ids="{"),
    "a queue of no kind": replaced(QUEUE),
    "jobs in hand of no kind": replaced(f"{QUEUE}:intermediate"),
    "started jobs of no kind": replaced(f"rq:wip:{job_queue.QUEUE}"),
    "failed jobs of no kind": replaced(f"rq:failed:{job_queue.QUEUE}"),
    "workers of no kind": replaced("rq:workers"),
    "queues of no kind": replaced("rq:queues"),
}


@pytest.fixture
def served(console: Console) -> Console:
    """A console with a running worker and clock."""
    console.start_clock()
    console.start_worker()
    await_(lambda: console.redis().smembers("rq:workers"), 20, "the worker serves")
    return console


def is_done(console: Console, what: str) -> None:
    """A batch published now is processed by the original processes."""
    member = console.make.member(f"member-{next(console.make.numbers)}")
    batch = console.make.batch([member.id], published=True)
    await_(
        lambda: console.batch(batch.id).status_label == "Published",
        60,
        lambda: f"done after {what}:\n{console.log()}",
    )
    assert [process.poll() for process in console.processes] == [None] * len(console.processes)


@pytest.mark.timeout(1200)
def test_no_garbage_in_the_queue_stops_the_worker(served: Console) -> None:
    """J20, J21, S11: after each of these the worker continues by itself."""
    is_done(served, "nothing")
    for what, poison in POISONS.items():
        poison(served.redis())
        is_done(served, what)


def test_remote_commands_reach_no_worker(served: Console) -> None:
    """S11: RQ's shutdown, kill-horse and stop-job are messages that anyone with access could send."""
    server = served.redis()
    workers = [name.decode().removeprefix("rq:worker:") for name in server.smembers("rq:workers")]
    assert workers
    for name in workers:
        for command in ("shutdown", "kill-horse", "stop-job", "stop-execution"):
            heard = server.publish(f"rq:pubsub:{name}", json.dumps({"command": command}))
            assert heard == 0
    is_done(served, "remote commands")


def test_the_queue_s_keys_of_others_are_left_alone(served: Console) -> None:
    """Other applications with RQ on the same server keep their jobs when ours are cleared."""
    server = served.redis()
    other = Queue("others", connection=server, serializer=JSONSerializer)
    other.enqueue("theirs.job")
    server.rpush(QUEUE, GARBAGE)
    is_done(served, "garbage")
    assert other.count == 1
    assert b"rq:queue:others" in server.smembers("rq:queues")
