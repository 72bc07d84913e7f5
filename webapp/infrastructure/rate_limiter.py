"""Limit requests, counted in Redis for all web processes, or in this process while Redis is unreachable (adr/0015)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage

from webapp.infrastructure import job_queue

log = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds before a failed Redis is tried again
WINDOW = 60  # seconds

Backend = MemoryStorage | RedisStorage


@dataclass(frozen=True)
class Quota:
    """The requests that remain of a limit, and the seconds until it starts over."""

    limit: int
    used: int
    seconds: int

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


class RateLimiter:
    """One per app; its methods need an app context."""

    def __init__(self) -> None:
        self._redis: tuple[str, RedisStorage] | None = None  # for this URL
        self._retry_at = 0.0

    def hit(self, name: str, limit: int) -> Quota:
        """Count a request and return what remains of the limit per minute."""
        return self._ask(name, limit, lambda backend, key: backend.incr(key, WINDOW))

    def peek(self, name: str, limit: int) -> Quota:
        """Return what remains, without counting a request."""
        return self._ask(name, limit, lambda backend, key: backend.get(key))

    def _ask(self, name: str, limit: int, used: Callable[[Backend, str], int]) -> Quota:
        key = RateLimitItemPerMinute(limit).key_for(name)

        def ask(backend: Backend) -> Quota:
            number = used(backend, key)
            seconds = math.ceil(backend.get_expiry(key) - time.time()) if number else WINDOW
            return Quota(limit, number, min(max(1, seconds), WINDOW))

        if time.monotonic() >= self._retry_at:
            try:
                return ask(self._in_redis(job_queue.queue_url()))
            except (job_queue.QueueUnavailableError, StorageError) as problem:
                log.warning("queue unavailable, counting requests per process: %s", problem)
                self._retry_at = time.monotonic() + RETRY_AFTER
        return ask(self._in_memory)

    def _in_redis(self, url: str) -> RedisStorage:
        if self._redis is None or self._redis[0] != url:
            pool = job_queue.connection(url).connection_pool
            storage = RedisStorage(
                url, connection_pool=pool, key_prefix=job_queue.QUEUE, wrap_exceptions=True
            )
            self._redis = url, storage
        return self._redis[1]

    @cached_property
    def _in_memory(self) -> MemoryStorage:
        return MemoryStorage()
