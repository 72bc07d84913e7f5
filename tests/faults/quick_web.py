"""Workers for tests of the web server, with other limits than in production."""

from __future__ import annotations

from webapp.cli.gunicorn_worker import Worker


class QuickWorker(Worker):
    """Gives requests and responses one second."""

    head_seconds = 1.0
    body_seconds = 1.0


class ForbearingWorker(Worker):
    """Never ends slow connections: requests are then served without ending others."""

    head_seconds = body_seconds = leave_seconds = 3600.0


class NarrowWorker(ForbearingWorker):
    """Takes only a few connections from one address."""

    per_address = 5


class RoomyWorker(ForbearingWorker):
    """Takes any number of connections from one address."""

    per_address = 1000
