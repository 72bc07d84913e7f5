"""Background jobs, requested by name and enqueued after the commit. The only module that knows RQ.

The queue holds no state: the scheduler re-enqueues pending work, so a job may be lost, repeated or late without harm.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import redis
from flask import current_app
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from webapp.database import db
from webapp.infrastructure import running_console

TimeLimit = JobTimeoutException

log = logging.getLogger(__name__)

QUEUE = "laurel"
DELIVERIES = "laurel-deliveries"  # has a worker of its own, because receivers may be slow
TIMEOUT = 60  # seconds; a time slice ends long before
FAILURE_TTL = 7 * 24 * 3600  # seconds

# All jobs that workers may run. Any other name in the queue is rejected.
JOBS = {
    "unlock": "jobs.unlocks.unlock",
    "deliver": "jobs.deliveries.deliver",
    "deliver_due": "jobs.deliveries.deliver_due",
    "evaluate_candidates": "jobs.rules.evaluate_candidates",
    "evaluate": "jobs.rules.evaluate",
    "import_members": "jobs.imports.import_members",
    "pull": "jobs.connections.pull",
    "push": "jobs.connections.push",
}


# Of the other jobs: QUEUE.
QUEUES = dict.fromkeys(("deliver", "deliver_due", "pull", "push"), DELIVERIES)


class AllowlistedJob(Job):
    """An RQ job that runs only functions in JOBS, and no callbacks."""

    @property
    def func(self) -> Any:
        if self.func_name not in JOBS.values():
            raise PermissionError(f"unknown job: {self.func_name!r}")
        return super().func

    # RQ would import and call what these name, bypassing the check above.
    success_callback = property(lambda self: None)
    failure_callback = property(lambda self: None)
    stopped_callback = property(lambda self: None)

    def send_webhooks(self, *args: Any, **kwargs: Any) -> None:
        """Disable RQ's own webhooks: unsigned, and sent to any URL."""


# Timeouts for web requests, in seconds: to connect, and for a response.
CONNECT, ANSWER = 0.3, 0.5
# Timeout for workers, in seconds: must exceed the time they block for a job, or an idle queue looks lost.
BLOCKED = 20


class QueueUnavailableError(Exception):
    """The queue can't be reached; the message says why."""


def queue_url() -> str:
    """Return the queue's current URL: REDIS_URL, or the socket of `laurel start` on this data folder; "" if neither."""
    return running_console.queue_url(current_app.config["LAUREL"])


def connection(url: str, *, patient: bool = False) -> redis.Redis:
    """Return a connection that fails fast, because web requests must not wait, or a patient one for workers."""
    if not url:
        raise QueueUnavailableError(
            "REDIS_URL isn't set, and no “laurel start” is running on this data folder"
        )
    if patient:
        return redis.Redis.from_url(url, socket_timeout=BLOCKED)
    return redis.Redis.from_url(
        url, socket_connect_timeout=CONNECT, socket_timeout=ANSWER, retry=Retry(NoBackoff(), 0)
    )


def queue(conn: redis.Redis, name: str = QUEUE) -> Queue:
    """Return a worker's only queue (RQ moves a job safely only within one), with JSON and the allowlist."""
    return Queue(name, connection=conn, serializer=JSONSerializer, job_class=AllowlistedJob)


def enqueue_after_commit(name: str, *ids: int) -> None:
    """Enqueue the job `name` with `ids` after the current transaction commits; repeated requests count once."""
    pending = db.session.info.setdefault("later", {})
    if name not in JOBS:  # a programming error, better found here than in the worker
        raise KeyError(f"no job is called {name!r}")
    pending[name, ids] = None


def discard_pending() -> None:
    """Drop the requested jobs after a rollback."""
    db.session.info.pop("later", None)


def flush_after_commit() -> None:
    """Enqueue everything requested. If Redis is unreachable, log it; the scheduler re-enqueues later."""
    pending = db.session.info.pop("later", {})
    if not pending:
        return
    if db.session().in_transaction():
        raise RuntimeError("jobs are enqueued after the commit, never before")
    with suppress(QueueUnavailableError), _raise_unavailable():
        server = connection(queue_url())
        for name, ids in pending:
            _enqueue(_queue_of(name, server), name, *ids)


def enqueue_missing(name: str, ids: list[int]) -> None:
    """Enqueue a job for each ID that has none in the queue. Raises QueueUnavailableError."""
    with _raise_unavailable():
        bell = _queue_of(name, connection(queue_url()))
        standing = _queued(bell) if ids else set()
        for id_ in ids:
            if f"{name}-{id_}" not in standing:
                _enqueue(bell, name, id_)


def enqueue_unless_queued(name: str, id_: int) -> None:
    """Enqueue a job unless one for the ID is in the queue. If Redis is unreachable, the scheduler enqueues it later."""
    with suppress(QueueUnavailableError):
        enqueue_missing(name, [id_])


def clear(server: redis.Redis, name: str = QUEUE) -> None:
    """Empty a queue, because something in it can't be read; pending work is re-enqueued.

    Other applications may use the same server, so keys that RQ shares are deleted only if their type is wrong.
    """
    bell = queue(server, name)
    registries = (
        bell.started_job_registry,
        bell.finished_job_registry,
        bell.failed_job_registry,
        bell.deferred_job_registry,
        bell.ready_job_registry,
        bell.scheduled_job_registry,
        bell.canceled_job_registry,
    )
    own_keys = [bell.key, bell.intermediate_queue_key, bell.registry_cleaning_key]
    server.delete(*own_keys, *(registry.key for registry in registries))
    for key in (bell.redis_queues_keys, REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY % name):
        if server.type(key) not in (b"set", b"none"):
            server.delete(key)


def depth() -> int | None:
    """Return the number of queued jobs; None if the queue can't be reached."""
    try:
        server = connection(queue_url())
        return sum(int(queue(server, name).count) for name in (QUEUE, DELIVERIES))
    except Exception:
        return None


def ages(at: datetime) -> dict[str, float]:
    """Return how many seconds the oldest job of each queue has been in it, 0 without one; {} if it can't be reached."""
    try:
        server = connection(queue_url())
        return {name: _age(queue(server, name), at) for name in (QUEUE, DELIVERIES)}
    except Exception:
        return {}


def _age(bell: Queue, at: datetime) -> float:
    first: Any = bell.connection.lindex(bell.key, 0)
    since: Any = bell.connection.hget(Job.key_for(first.decode()), "enqueued_at") if first else None
    if not since:  # or a worker has just taken it
        return 0.0
    moment = datetime.fromisoformat(since.decode())
    return max(0.0, (at - moment.replace(tzinfo=moment.tzinfo or UTC)).total_seconds())


def server_version() -> str:
    """Return the server's name and version, such as `Valkey 9.1.2`; "" if it can't be reached."""
    try:
        server = connection(queue_url()).info("server")
    except Exception:
        return ""
    if "valkey_version" in server:
        return f"Valkey {server['valkey_version']}"
    return f"Redis {server.get('redis_version', '')}".strip()


@contextmanager
def _raise_unavailable() -> Iterator[None]:
    """Convert connection failures to QueueUnavailableError; log only the first until the queue responds again."""
    global _unreached
    try:
        yield
    except TimeLimit:  # interrupts a job anywhere, so it is no failure of the queue
        raise
    except Exception as problem:  # the work is safe in the database, so the caller must not fail
        if not _unreached:
            log.warning("queue unavailable, jobs will be re-queued later: %s", problem)
        _unreached = True
        raise QueueUnavailableError(str(problem)) from problem
    _unreached = False


_unreached = False


def _queue_of(job: str, server: redis.Redis) -> Queue:
    return queue(server, QUEUES.get(job, QUEUE))


def _queued(bell: Queue) -> set[str]:
    # RQ's own method fails on an ID that is not UTF-8.
    job_ids: list[Any] = bell.connection.lrange(bell.key, 0, -1)
    return {job_id.decode("utf-8", "replace").rpartition("-")[0] for job_id in job_ids}


def _enqueue(bell: Queue, name: str, *ids: int) -> None:
    # A new ID each time: RQ deletes a finished job by ID, and would delete a waiting one with the same ID.
    job_id = "-".join([name, *map(str, ids), uuid4().hex])
    bell.enqueue(
        JOBS[name], *ids, job_id=job_id, job_timeout=TIMEOUT, result_ttl=0, failure_ttl=FAILURE_TTL
    )
