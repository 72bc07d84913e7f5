"""Limit how many requests per minute a community gets, from all threads of this process together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jobs.context import stopping

BURST = 5  # requests that may follow each other at once after a pause
NAP = 0.2  # seconds, after which a waiting thread looks whether the process is to stop


class RequestRate:
    """A token bucket. It begins with one token, so that a restart doesn't allow more requests than the limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self.clock = per_minute, clock
        self.lock = threading.Lock()
        self.tokens, self.at = 1.0, clock()

    def take(self) -> float:
        """Take a token and return 0, or return after how many seconds there is one."""
        with self.lock:
            now = self.clock()
            per_second = self.per_minute / 60
            self.tokens = min(BURST, self.tokens + (now - self.at) * per_second)
            self.at = now
            if self.tokens < 1:
                return (1 - self.tokens) / per_second
            self.tokens -= 1
            return 0.0

    def wait(self) -> None:
        """Wait for a token; return without one if the process is asked to stop."""
        while (seconds := self.take()) and not stopping():
            time.sleep(min(seconds, NAP))


_rates: dict[int, RequestRate] = {}
_lock = threading.Lock()


def of(connection_id: int, per_minute: int) -> RequestRate:
    with _lock:
        rate = _rates.setdefault(connection_id, RequestRate(per_minute))
        rate.per_minute = per_minute
        return rate
