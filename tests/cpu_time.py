"""Measure CPU time so that a busy or slow machine changes the result little."""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDS = 100_000
USUAL = 0.005  # seconds that so many rounds take on an idle machine


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of `work`, divided by how much slower than usual this machine is just before or after it.

    Programs on the same core, and a slower processor, slow down both. The result is never above the real time.
    """
    before = _rounds()
    spent = _spent(work)
    return spent / max(1.0, before / USUAL, _rounds() / USUAL)


def _spent(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _rounds() -> float:
    def rounds() -> None:
        total = 0
        for number in range(ROUNDS):
            total += number

    return _spent(rounds)
