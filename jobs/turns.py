"""How long a job keeps the worker, and how it finds out that its time is over."""

from __future__ import annotations

import signal

from rq.timeouts import UnixSignalDeathPenalty

from webapp import later

TURN = 1.0  # seconds that a job keeps the worker while others wait
# On SQLite one writer holds the whole database: the pause between chunks lets web writes in (figures in bench/).
PAUSE = 0.01  # seconds
AGAIN = 5.0  # seconds between two strikes of a time limit


class Insistent(UnixSignalDeathPenalty):
    """RQ's time limit, which strikes again until the job has ended.

    It is an exception that is raised wherever the job happens to be: within a destructor or a callback of a weak
    reference Python swallows it, and a job that was to end would go on for good.
    """

    def setup_death_penalty(self) -> None:
        """From now on strikes after the timeout, and every few seconds after that."""
        super().setup_death_penalty()
        signal.setitimer(signal.ITIMER_REAL, self._timeout, AGAIN)  # the same timer as RQ's alarm


def time_limit(problem: BaseException | None) -> later.TimeLimit | None:
    """The job's time limit, where it is what lies under a problem: it strikes anywhere, also inside a statement."""
    while problem is not None and not isinstance(problem, later.TimeLimit):
        problem = getattr(problem, "orig", None) or problem.__context__
    return problem
