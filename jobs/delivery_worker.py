"""`laurel deliveries`: send webhooks, in threads, so that a slow receiver delays nothing but its own messages."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from rq import Queue
from rq.job import Job

from jobs import worker
from jobs.context import stop_soon, stopping
from jobs.worker import LaurelWorker
from webapp.domain.webhooks import endpoints
from webapp.infrastructure import http_client, job_queue
from webapp.models import ProcessKind

log = logging.getLogger(__name__)

MOST = 2 * endpoints.MOST  # threads that run jobs
FINISH = 4.0  # seconds that requests get to end when the worker is asked to stop
RELEASE = 3.0  # seconds to record their results and release the leases


class JobThreads:
    """Runs each job in a thread of its own. A job that is already running is run once more afterwards."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.again: dict[tuple[Any, ...], bool] = {}  # whether to repeat it, for each running job
        self.threads: set[threading.Thread] = set()

    def run(self, function: Callable[..., None], *ids: int) -> None:
        key = (function, *ids)
        with self.lock:
            if key in self.again:
                self.again[key] = True
            elif len(self.again) < MOST:  # the clock enqueues it later
                self.again[key] = False
                thread = threading.Thread(target=self._run, args=key, daemon=True)
                self.threads.add(thread)
                thread.start()

    def wait(self, seconds: float) -> bool:
        """Return whether all have ended within that time."""
        until = time.monotonic() + seconds
        for thread in list(self.threads):
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in list(self.threads))

    def _run(self, function: Callable[..., None], *ids: int) -> None:
        while True:
            try:
                function(*ids)
            except Exception:  # the database has the work, and the clock enqueues it again
                log.exception("job failed, will be re-queued")
            with self.lock:
                if stopping() or not self.again[function, *ids]:
                    del self.again[function, *ids]
                    self.threads.discard(threading.current_thread())
                    return
                self.again[function, *ids] = False


class DeliveryWorker(LaurelWorker):
    """Serves the queue of deliveries without forking: its jobs spend their time waiting for receivers."""

    queue_name = job_queue.DELIVERIES
    kind = ProcessKind.DELIVERIES
    threads = JobThreads()

    def execute_job(self, job: Job, queue: Queue) -> None:
        try:
            self.threads.run(job.func, *(int(one) for one in job.args))
        except Exception as problem:
            log.warning("job refused: %s", problem)
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
        self.connection.delete(job.key)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        stop_soon()
        super().request_stop(signum, frame)

    @classmethod
    def finish(cls) -> None:
        """Let requests end, cut off the rest, and release the leases; what isn't recorded is sent again."""
        stop_soon()
        if not cls.threads.wait(FINISH):
            http_client.cut_all()
            cls.threads.wait(RELEASE)


def main() -> None:
    worker.main(DeliveryWorker)
    logging.shutdown()
    os._exit(0)  # an interpreter that ends would wait for name lookups, which can't be cut off


if __name__ == "__main__":
    main()
