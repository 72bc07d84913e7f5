"""Limit requests, counted in Redis for all web processes, or in this process while Redis is unreachable (adr/0015)."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from functools import cached_property

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from redis import RedisError
from redis.commands.core import Script

from webapp.infrastructure import job_queue

log = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds before a failed Redis is tried again
WINDOW = 60  # seconds

# Return the requests in the window and its remaining seconds, both in one round trip.
COUNT = """
local used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {used, redis.call('TTL', KEYS[1])}
"""
PEEK = "return {redis.call('GET', KEYS[1]) or 0, redis.call('TTL', KEYS[1])}"


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
        self._scripts: tuple[str, dict[bool, Script]] | None = None  # for this URL
        self._retry_at = 0.0

    def hit(self, name: str, limit: int) -> Quota:
        """Count a request and return what remains of the limit per minute."""
        return self._ask(name, limit, count=True)

    def peek(self, name: str, limit: int) -> Quota:
        """Return what remains, without counting a request."""
        return self._ask(name, limit, count=False)

    def _ask(self, name: str, limit: int, *, count: bool) -> Quota:
        key = RateLimitItemPerMinute(limit).key_for(name)
        used, seconds = self._in_redis(key, count=count) or self._in_memory(key, count=count)
        return Quota(limit, used, min(max(1, seconds), WINDOW) if used else WINDOW)

    def _in_redis(self, key: str, *, count: bool) -> tuple[int, int] | None:
        """Return the requests and the remaining seconds; None while Redis is unreachable."""
        if time.monotonic() < self._retry_at:
            return None
        try:
            script = self._scripts_at(job_queue.queue_url())[count]
            used, seconds = script([f"{job_queue.QUEUE}:{key}"], [WINDOW])
            return int(used), int(seconds)
        except (job_queue.QueueUnavailableError, RedisError) as problem:
            log.warning("queue unavailable, counting requests per process: %s", problem)
            self._retry_at = time.monotonic() + RETRY_AFTER
            return None

    def _scripts_at(self, url: str) -> dict[bool, Script]:
        if self._scripts is None or self._scripts[0] != url:
            register = job_queue.connection(url).register_script
            self._scripts = url, {True: register(COUNT), False: register(PEEK)}
        return self._scripts[1]

    def _in_memory(self, key: str, *, count: bool) -> tuple[int, int]:
        used = self._memory.incr(key, WINDOW) if count else self._memory.get(key)
        return used, math.ceil(self._memory.get_expiry(key) - time.time())

    @cached_property
    def _memory(self) -> MemoryStorage:
        return MemoryStorage()
