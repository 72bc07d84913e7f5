"""Work for later: the domain asks by name, and the queue is rung after the commit. The only module that knows RQ.

The database is the truth and the queue its doorbell: a ring may be lost, doubled or late without harm, because
the clock rings again for whatever is left undone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
TIMEOUT = 60  # seconds; a slice of work ends long before
FAILURE_TTL = 7 * 24 * 3600  # seconds

# Everything that a worker may be asked to do. A job naming anything else is refused, whoever put it there.
JOBS = {
    "unlock": "jobs.unlocks.unlock",
    "deliver": "jobs.deliveries.deliver",
    "evaluate_candidates": "jobs.rules.evaluate_candidates",
    "evaluate": "jobs.rules.evaluate",
    "import_members": "jobs.imports.import_members",
}


class AllowlistedJob(Job):
    """An RQ job that runs only what stands in JOBS, and no callbacks."""

    @property
    def func(self) -> Any:
        if self.func_name not in JOBS.values():
            raise PermissionError(f"not a job of ours: {self.func_name!r}")
        return super().func

    # RQ would import and call whatever these name, outside the check above.
    success_callback = property(lambda self: None)
    failure_callback = property(lambda self: None)
    stopped_callback = property(lambda self: None)

    def send_webhooks(self, *args: Any, **kwargs: Any) -> None:
        """RQ's own webhooks are not used: unsigned, and sent to any address."""


# What somebody who waits for a page waits for the queue at most, in seconds: to connect, and for an answer.
CONNECT, ANSWER = 0.3, 0.5
# A worker's, in seconds: longer than it blocks for a job, or it would take an idle queue for a lost one.
BLOCKED = 20


class QueueUnavailableError(Exception):
    """The queue can't be reached; the text says why."""


def queue_url() -> str:
    """Where the queue is now: REDIS_URL, or the socket of the `laurel start` on this data folder; "" if neither."""
    return running_console.queue_url(current_app.config["LAUREL"])


def connection(url: str, *, patient: bool = False) -> redis.Redis:
    """A connection that gives up at once (a web request must not wait), or a patient one for workers."""
    if not url:
        raise QueueUnavailableError(
            "REDIS_URL is not set, and no “laurel start” runs on this data folder"
        )
    if patient:
        return redis.Redis.from_url(url, socket_timeout=BLOCKED)
    return redis.Redis.from_url(
        url, socket_connect_timeout=CONNECT, socket_timeout=ANSWER, retry=Retry(NoBackoff(), 0)
    )


def queue(conn: redis.Redis) -> Queue:
    """The one queue (RQ moves a job safely only from one), in JSON and with the allow-list."""
    return Queue(QUEUE, connection=conn, serializer=JSONSerializer, job_class=AllowlistedJob)


def enqueue_after_commit(name: str, *ids: int) -> None:
    """Asks for the job `name` with `ids` once the running transaction is committed; said twice, it is once."""
    pending = db.session.info.setdefault("later", {})
    if name not in JOBS:  # a mistake of ours, better found here than in the worker
        raise KeyError(f"no job is called {name!r}")
    pending[name, ids] = None


def discard_pending() -> None:
    """Drops what was asked for: the transaction was rolled back."""
    db.session.info.pop("later", None)


def flush_after_commit() -> None:
    """Rings for everything asked for; a queue that can't be reached is logged and left to the clock."""
    pending = db.session.info.pop("later", {})
    if not pending:
        return
    if db.session().in_transaction():
        raise RuntimeError("the queue is rung after the commit, never before")
    with suppress(QueueUnavailableError), _reaching():
        bell = _queue()
        for name, ids in pending:
            _enqueue(bell, name, *ids)


def enqueue_missing(name: str, ids: list[int]) -> None:
    """Rings at once for each id that has no ring in the queue; raises Away when it can't be reached."""
    with _reaching():
        bell = _queue()
        standing = _queued(bell) if ids else set()
        for id_ in ids:
            if f"{name}-{id_}" not in standing:
                _enqueue(bell, name, id_)


def clear(server: redis.Redis) -> None:
    """Empties the queue, because something in it can't be read: whatever still waits is rung for again.

    Other applications may use the same server, so of RQ's common keys only those that can't be what they should go.
    """
    bell = queue(server)
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
    for key in (bell.redis_queues_keys, REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY % QUEUE):
        if server.type(key) not in (b"set", b"none"):
            server.delete(key)


def depth() -> int | None:
    """How many rings wait in the queue; None where it can't be reached."""
    try:
        return int(_queue().count)
    except Exception:
        return None


def server_version() -> str:
    """What the queue's server calls itself, such as `Valkey 9.1.2`; "" where it can't be reached."""
    try:
        server = connection(queue_url()).info("server")
    except Exception:
        return ""
    if "valkey_version" in server:
        return f"Valkey {server['valkey_version']}"
    return f"Redis {server.get('redis_version', '')}".strip()


@contextmanager
def _reaching() -> Iterator[None]:
    """Turns every failure to reach the queue into Away, and logs the first one until the queue answers again."""
    global _unreached
    try:
        yield
    except TimeLimit:  # strikes a job wherever it happens to be, and is no failure of the queue
        raise
    except (
        Exception
    ) as problem:  # the work is safe in the database, so nobody has to stop for the queue
        if not _unreached:
            log.warning("the queue can't be reached, the clock will ring: %s", problem)
        _unreached = True
        raise QueueUnavailableError(str(problem)) from problem
    _unreached = False


_unreached = False


def _queue() -> Queue:
    return queue(connection(queue_url()))


def _queued(bell: Queue) -> set[str]:
    # RQ's own method fails on an id that is not UTF-8.
    job_ids: list[Any] = bell.connection.lrange(bell.key, 0, -1)
    return {job_id.decode("utf-8", "replace").rpartition("-")[0] for job_id in job_ids}


def _enqueue(bell: Queue, name: str, *ids: int) -> None:
    # A fresh id for every ring: RQ deletes a finished job by its id, and with it a ring of the same id that waits.
    job_id = "-".join([name, *map(str, ids), uuid4().hex])
    bell.enqueue(
        JOBS[name], *ids, job_id=job_id, job_timeout=TIMEOUT, result_ttl=0, failure_ttl=FAILURE_TTL
    )
