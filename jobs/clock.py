"""`laurel clock`: ticks every few seconds, and survives outages of the database and of the queue."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable

from jobs import periodic
from jobs.context import app, settings
from jobs.heartbeat import Heartbeat
from webapp.database import db
from webapp.infrastructure import job_queue, log_format
from webapp.models import ProcessKind

log = logging.getLogger(__name__)

TIDY_EVERY = 600  # seconds


def main() -> None:
    log_format.setup(settings().logs)
    heart = Heartbeat(ProcessKind.CLOCK)
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    tidied = float("-inf")
    with app().app_context():
        while True:
            if time.monotonic() - tidied >= TIDY_EVERY:
                for task in periodic.NOW_AND_THEN:
                    _attempt(task)
                    heart.beat()
                tidied = time.monotonic()
            for task in periodic.EVERY_TICK:
                _attempt(task)
            heart.beat()
            if stop.wait(settings().tick_seconds):
                heart.stop()
                return


def _attempt(task: Callable[[], None]) -> None:
    try:
        task()
    except job_queue.QueueUnavailableError:
        pass  # logged once, until the queue responds again
    except Exception:  # whatever the error, the next tick retries: a stopped clock would be worse
        log.exception("periodic task %s failed, will retry", task.__name__)
    finally:
        db.session.remove()


if __name__ == "__main__":
    main()
