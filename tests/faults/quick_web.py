"""A worker for tests of the web server: requests get one second to arrive instead of thirty."""

from __future__ import annotations

from webapp.cli.patient import Worker


class QuickWorker(Worker):
    """As the console is served, but for its patience."""

    seconds = 1.0
