"""Work for later: the domain asks by name, and the queue is rung after the commit. The only module that knows RQ.

The database is the truth and the queue its doorbell: a ring may be lost, doubled or late without harm, because
the clock rings again for whatever is left undone.
"""

from __future__ import annotations

import logging
import time
from functools import cache
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

from webapp.database import db

TimeLimit = JobTimeoutException

log = logging.getLogger(__name__)

QUEUE = "laurel"
TIMEOUT = 60  # seconds; a slice of work ends long before
FAILURE_TTL = 7 * 24 * 3600  # seconds

# Everything that a worker may be asked to do. A job naming anything else is refused, whoever put it there.
JOBS = {
    "unlock": "jobs.unlocks.unlock",
    "deliver": "jobs.deliveries.deliver",
    "earn": "jobs.rules.earn",
    "evaluate": "jobs.rules.evaluate",
    "import_members": "jobs.imports.import_members",
}


class Ring(Job):
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


def connection(url: str, *, patient: bool = False) -> redis.Redis:
    """A connection that gives up at once (a web request must not wait), or a patient one for workers."""
    if patient:
        return redis.Redis.from_url(url)
    return redis.Redis.from_url(
        url, socket_connect_timeout=CONNECT, socket_timeout=ANSWER, retry=Retry(NoBackoff(), 0)
    )


def queue(conn: redis.Redis) -> Queue:
    """The one queue (RQ moves a job safely only from one), in JSON and with the allow-list."""
    return Queue(QUEUE, connection=conn, serializer=JSONSerializer, job_class=Ring)


def run_later(name: str, *ids: int) -> None:
    """Asks for the job `name` with `ids` once the running transaction is committed; said twice, it is once."""
    asked = db.session.info.setdefault("later", {})
    if name not in JOBS:  # a mistake of ours, better found here than in the worker
        raise KeyError(f"no job is called {name!r}")
    asked[name, ids] = None


def forget() -> None:
    """Drops what was asked for: the transaction was rolled back."""
    db.session.info.pop("later", None)


def hand_over() -> None:
    """Rings for everything asked for; a queue that can't be reached is logged and left to the clock."""
    asked = db.session.info.pop("later", {})
    if not asked:
        return
    if db.session().in_transaction():
        raise RuntimeError("the queue is rung after the commit, never before")
    try:
        bell = _bell()
        for name, ids in asked:
            _ring(bell, name, *ids)
    except (redis.RedisError, OSError) as problem:
        log.warning("the queue can't be reached, the clock will ring: %s", problem)


def ring_missing(name: str, ids: list[int]) -> None:
    """Rings at once for each id that has no ring in the queue; raises `redis.RedisError` when it can't be reached."""
    bell = _bell()
    standing = {job_id.rpartition("-")[0] for job_id in bell.get_job_ids()} if ids else set()
    for one in ids:
        if f"{name}-{one}" not in standing:
            _ring(bell, name, one)


def count(name: str, seconds: int) -> tuple[int, int] | None:
    """Counts one more of `name`: how many there are within `seconds` of the first, and how many seconds are left.

    None where the queue's server can't be reached; then it is not asked again for five seconds.
    """
    global _silent_until
    if time.monotonic() < _silent_until:
        return None
    key = f"{QUEUE}:{name}"
    try:
        with _counters(current_app.config["LAUREL"].redis_url).pipeline() as asked:
            asked.incr(key)
            asked.expire(key, seconds, nx=True)
            asked.ttl(key)
            number, _, left = asked.execute()
    except (redis.RedisError, OSError) as problem:
        log.warning("the queue can't be reached, requests are counted elsewhere: %s", problem)
        _silent_until = time.monotonic() + 5
        return None
    return number, left


_silent_until = 0.0


@cache
def _counters(url: str) -> redis.Redis:
    return connection(url)


def depth() -> int | None:
    """How many rings wait in the queue; None where it can't be reached."""
    try:
        return int(_bell().count)
    except (redis.RedisError, OSError):
        return None


def server_version() -> str:
    """What the queue's server calls itself, such as `Valkey 9.1.2`; "" where it can't be reached."""
    try:
        told = connection(current_app.config["LAUREL"].redis_url).info("server")
    except (redis.RedisError, OSError):
        return ""
    if "valkey_version" in told:
        return f"Valkey {told['valkey_version']}"
    return f"Redis {told.get('redis_version', '')}".strip()


def _bell() -> Queue:
    return queue(connection(current_app.config["LAUREL"].redis_url))


def _ring(bell: Queue, name: str, *ids: int) -> None:
    # A fresh id for every ring: RQ deletes a finished job by its id, and with it a ring of the same id that waits.
    job_id = "-".join([name, *map(str, ids), uuid4().hex])
    bell.enqueue(
        JOBS[name], *ids, job_id=job_id, job_timeout=TIMEOUT, result_ttl=0, failure_ttl=FAILURE_TTL
    )
