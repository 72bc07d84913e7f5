"""Limit requests, counted in Redis for all web processes, or in this process while Redis is unreachable (adr/0015)."""

from __future__ import annotations

import logging
import math
import time
from functools import cached_property

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter

from webapp.infrastructure import job_queue

log = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds before a failed Redis is tried again


class RateLimiter:
    """One per app; its methods need an app context."""

    def __init__(self) -> None:
        self._redis: tuple[str, FixedWindowRateLimiter] | None = None  # for this URL
        self._retry_at = 0.0

    def hit(self, name: str, limit: int) -> int | None:
        """Count a request; return the seconds to wait if it exceeds the limit per minute, or None."""
        item = RateLimitItemPerMinute(limit)
        if time.monotonic() >= self._retry_at:
            try:
                return _hit(self._in_redis(job_queue.queue_url()), item, name)
            except (job_queue.QueueUnavailableError, StorageError) as problem:
                log.warning("queue unavailable, counting requests per process: %s", problem)
                self._retry_at = time.monotonic() + RETRY_AFTER
        return _hit(self._in_memory, item, name)

    def _in_redis(self, url: str) -> FixedWindowRateLimiter:
        if self._redis is None or self._redis[0] != url:
            pool = job_queue.connection(url).connection_pool
            storage = RedisStorage(
                url, connection_pool=pool, key_prefix=job_queue.QUEUE, wrap_exceptions=True
            )
            self._redis = url, FixedWindowRateLimiter(storage)
        return self._redis[1]

    @cached_property
    def _in_memory(self) -> FixedWindowRateLimiter:
        return FixedWindowRateLimiter(MemoryStorage())


def _hit(limiter: FixedWindowRateLimiter, item: RateLimitItemPerMinute, name: str) -> int | None:
    if limiter.hit(item, name):
        return None
    reset_at, _ = limiter.get_window_stats(item, name)
    return max(1, math.ceil(reset_at - time.time()))
