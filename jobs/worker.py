"""`laurel worker`: re-enqueue abandoned work, then serve the queue with a forked child for each job."""

from __future__ import annotations

import logging
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import UnixSignalDeathPenalty

from jobs import periodic
from jobs.context import app, settings, stop_soon
from jobs.heartbeat import Heartbeat
from webapp.database import db
from webapp.infrastructure import gc_tuning, job_queue, log_format
from webapp.infrastructure.parent_death_signal import die_with_parent
from webapp.models import ProcessKind

log = logging.getLogger(__name__)

BEAT = 5  # seconds between two heartbeats
GRACE = 8  # seconds a job gets to finish its chunk
BETWEEN = 1.0  # seconds before serving again after something in the queue stopped the worker
AGAIN = 5.0  # seconds between repetitions of the time limit


class RepeatingTimeout(UnixSignalDeathPenalty):
    """RQ's time limit, raised repeatedly until the job has ended.

    The exception can be raised anywhere. Python swallows it in a destructor or a weak reference's callback, and the
    job would then run forever.
    """

    def setup_death_penalty(self) -> None:
        super().setup_death_penalty()
        signal.setitimer(signal.ITIMER_REAL, self._timeout, AGAIN)  # the same timer as RQ's alarm


class LaurelWorker(Worker):
    """RQ's forking worker. Its child dies with it, and ends its slice early if the worker is asked to stop."""

    log_result_lifespan = False
    max_connection_wait_time = 4.0  # seconds between attempts while the queue is unreachable
    death_penalty_class = RepeatingTimeout
    asked_to_stop = False
    queue_name = job_queue.QUEUE
    kind = ProcessKind.WORKER
    heart: Heartbeat
    address: str

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Import what the job needs before the fork, so that later children have it already."""
        with suppress(Exception):  # the child reports and records a job's errors itself
            _ = job.func
        if self.asked_to_stop:  # received while there was no child to pass it on to
            stop_soon()
        super().fork_work_horse(job, queue)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Run in the child, tied to the worker; otherwise it would keep running after the worker is killed."""
        die_with_parent(self.pid or 0)
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        """SIGTERM ends the slice after the current chunk, also when sent to the whole process group."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: stop_soon())

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        """RQ's heartbeat, every few seconds and around each job, along with the one in the database.

        RQ retries the same address forever, but a restarted `laurel start` may have another socket.
        """
        self.heart.beat()
        if not self.horse_pid and not self.executions and _address() not in ("", self.address):
            raise StopRequested
        super().heartbeat(*args, **kwargs)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Pass the request on to the child, with a time limit. A chunk that is cut off is rolled back, not lost."""
        self.asked_to_stop = True
        if self.horse_pid:
            self.kill_horse(signal.SIGTERM)
            signal.signal(signal.SIGALRM, lambda *_: self.kill_horse())
            signal.alarm(GRACE)
        super().request_stop(signum, frame)

    def run_maintenance_tasks(self) -> None:
        """RQ's housekeeping; unreadable entries are cleared."""
        try:
            self.clean_registries()
        except (ConnectionError, TimeoutError):
            raise
        except Exception as problem:
            log.warning("the queue contains unreadable data, emptying it: %s", problem)
            job_queue.clear(self.connection, self.queue_name)
        self.last_cleaned_at = datetime.now(UTC)  # type: ignore[assignment]

    def subscribe(self) -> None:
        """Ignore RQ's remote commands (shutdown, stop-job, kill-horse): only the operator stops a worker."""

    def check_for_suspension(self, burst: bool) -> None:
        """Ignore RQ's key that suspends workers."""

    @classmethod
    def finish(cls) -> None:
        """End what is still running when the worker no longer serves the queue."""


def main(worker_class: type[LaurelWorker] = LaurelWorker) -> None:
    """Serve the queue until asked to stop, waiting out outages of the queue."""
    log_format.setup(settings().logs)
    app()  # before any fork: a child that has to import the app takes twenty times as long to start
    gc_tuning.freeze()
    heart = LaurelWorker.heart = Heartbeat(worker_class.kind)
    with suppress(SystemExit):  # asked to stop while waiting for the queue
        _serve_until_asked(worker_class, heart)
    worker_class.finish()
    heart.stop()


def _serve_until_asked(worker_class: type[LaurelWorker], heart: Heartbeat) -> None:
    while True:
        connection = _await_queue(heart)
        _requeue_pending()
        if _serve(worker_class, connection):
            return
        _end_when_asked()
        with suppress(Exception):  # the queue may be unreachable, which ends RQ's loop too
            job_queue.clear(connection, worker_class.queue_name)
        time.sleep(BETWEEN)


def _serve(worker_class: type[LaurelWorker], connection: Redis) -> bool:
    """Serve the queue until the worker is asked to stop (True), or something in the queue ends it (False)."""
    worker = None
    try:
        worker = worker_class(
            [job_queue.queue(connection, worker_class.queue_name)],
            connection=connection,
            serializer=JSONSerializer,
            job_class=job_queue.AllowlistedJob,
            log_job_description=False,
            maintenance_interval=60,
            worker_ttl=15 + BEAT,  # RQ waits that much less for a job, and sends a heartbeat
            job_monitoring_interval=BEAT,
        )
        worker.work(logging_level="WARNING")
    except Exception as problem:
        log.warning("restarting the worker loop: %s", problem)
    return worker is not None and worker.asked_to_stop


def _requeue_pending() -> None:
    try:
        with app().app_context():
            periodic.requeue_pending()
    except Exception as problem:
        log.warning("couldn't re-queue pending work at startup, the scheduler will: %s", problem)
    finally:
        with app().app_context():
            db.engine.dispose()  # no connection may be open when the worker forks


def _await_queue(heart: Heartbeat) -> Redis:
    """Return a connection to the queue's server once it responds; exit if asked to stop before that."""
    _end_when_asked()
    logged = False
    while True:
        heart.beat()
        try:
            LaurelWorker.address = _address()
            connection = job_queue.connection(LaurelWorker.address, patient=True)
            connection.ping()
            return connection
        except Exception as problem:
            if not logged:
                log.warning("waiting for the queue: %s", problem)
                logged = True
            time.sleep(0.5)


def _end_when_asked() -> None:
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: sys.exit(0))


def _address() -> str:
    with app().app_context():
        return job_queue.queue_url()


if __name__ == "__main__":
    main()
