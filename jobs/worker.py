"""`laurel worker`: rings for what was left undone, then serves the queue with a forked child for each job."""

from __future__ import annotations

import logging
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import UnixSignalDeathPenalty
from sqlalchemy.exc import SQLAlchemyError

from jobs import upkeep
from jobs.heartbeat import Heartbeat
from jobs.shell import app, settings, stop_soon
from webapp import heap, later, logs
from webapp.database import db
from webapp.parenthood import die_with_parent

log = logging.getLogger(__name__)

BEAT = 5  # seconds between two signs of life
GRACE = 8  # seconds that a job may take to come to the end of its chunk
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


class LaurelWorker(Worker):
    """RQ's forking worker; its child dies with it, and ends its slice early when the worker is asked to stop."""

    log_result_lifespan = False
    max_connection_wait_time = 4.0  # seconds between tries while the queue is away
    death_penalty_class = Insistent
    asked_to_stop = False
    heart: Heartbeat

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Loads what the job runs before the fork: the children after this one find it there."""
        with suppress(Exception):  # what is wrong with a job, its child says and records
            _ = job.func
        if self.asked_to_stop:  # meanwhile, when there was no child to pass it on to
            stop_soon()
        super().fork_work_horse(job, queue)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """The child: tied to the worker, or it would go on alone after the worker is killed."""
        die_with_parent(self.pid or 0)
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        """SIGTERM ends the slice after the chunk in hand, also when it is sent to the whole group."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: stop_soon())

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        """RQ's own, every few seconds and around each job; beside it goes the one in the database."""
        self.heart.beat()
        super().heartbeat(*args, **kwargs)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Passes the request on to the child, with a limit: a chunk that is cut off is rolled back, not lost."""
        self.asked_to_stop = True
        if self.horse_pid:
            self.kill_horse(signal.SIGTERM)
            signal.signal(signal.SIGALRM, lambda *_: self.kill_horse())
            signal.alarm(GRACE)
        super().request_stop(signum, frame)


def main() -> None:
    """Serves the queue until it is asked to stop; an outage of the queue is waited out."""
    logs.setup(settings().logs)
    app()  # before any fork: a child that has to import the app takes twenty times as long to begin
    heap.freeze()
    connection = later.connection(settings().redis_url, patient=True)
    heart = LaurelWorker.heart = Heartbeat("worker")
    while True:
        _await_queue(connection, heart)
        _ring_again()
        worker = LaurelWorker(
            [later.queue(connection)],
            connection=connection,
            serializer=JSONSerializer,
            job_class=later.Ring,
            log_job_description=False,
            maintenance_interval=60,
            worker_ttl=15 + BEAT,  # RQ waits that much less for a ring, and gives a sign of life
            job_monitoring_interval=BEAT,
        )
        try:
            worker.work(logging_level="WARNING")
        except RedisError as problem:
            log.warning("the queue went away: %s", problem)
        if worker.asked_to_stop:
            heart.stop()
            return


def _ring_again() -> None:
    try:
        with app().app_context():
            upkeep.ring_again()
    except (SQLAlchemyError, RedisError) as problem:
        log.warning("nothing rung at the start, the clock will: %s", problem)
    finally:
        with app().app_context():
            db.engine.dispose()  # a connection must not be there when the worker forks


def _await_queue(connection: Redis, heart: Heartbeat) -> None:
    """Returns as soon as the queue's server answers; asked to stop meanwhile, ends the process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    told = False
    while True:
        heart.beat()
        try:
            connection.ping()
            return
        except RedisError as problem:
            if not told:
                log.warning("waiting for the queue: %s", problem)
                told = True
            time.sleep(0.5)


if __name__ == "__main__":
    main()
