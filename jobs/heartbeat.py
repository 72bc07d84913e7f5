"""A process's heartbeat in the database: every few seconds, without delaying its work."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError

from jobs.context import app
from webapp import package
from webapp.database import db
from webapp.domain.operations import heartbeats
from webapp.domain.operations.heartbeats import ThisProcess
from webapp.models import ProcessKind
from webapp.transaction import transaction

log = logging.getLogger(__name__)


class Heartbeat:
    def __init__(self, kind: ProcessKind) -> None:
        self.me = ThisProcess(
            str(uuid4()), kind, socket.gethostname(), os.getpid(), package.version()
        )
        self.next = 0.0

    def beat(self) -> None:
        """Write a heartbeat if one is due. Ignores database outages: the next heartbeat follows."""
        if (
            os.getpid() != self.me.pid or time.monotonic() < self.next
        ):  # a worker's child has no heartbeat of its own
            return
        self.next = time.monotonic() + heartbeats.EVERY
        self._write(lambda: heartbeats.heartbeat(self.me))

    def stop(self) -> None:
        """Sign off, so that the process isn't reported as killed."""
        self._write(lambda: heartbeats.sign_off(self.me.key))

    def _write(self, what: Callable[[], None]) -> None:
        try:
            with app().app_context():
                try:
                    with transaction():
                        what()
                finally:
                    db.session.remove()
                    db.engine.dispose()  # no connection may be open when the worker forks
        except SQLAlchemyError as problem:
            log.debug("heartbeat failed: %s", problem)
