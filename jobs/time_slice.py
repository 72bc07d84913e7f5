"""How long a job keeps the worker, and how it finds out that its time is over."""

from __future__ import annotations

from webapp.infrastructure import job_queue

TURN = 1.0  # seconds that a job keeps the worker while others wait
# On SQLite one writer holds the whole database: the pause between chunks lets web writes in (figures in bench/).
PAUSE = 0.005  # seconds


def time_limit(problem: BaseException | None) -> job_queue.TimeLimit | None:
    """The job's time limit, where it is what lies under a problem: it strikes anywhere, also inside a statement."""
    while problem is not None and not isinstance(problem, job_queue.TimeLimit):
        problem = getattr(problem, "orig", None) or problem.__context__
    return problem
