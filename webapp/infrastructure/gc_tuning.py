"""Garbage collection: the modules, models and routes that stay in memory for good."""

from __future__ import annotations

import gc


def freeze() -> None:
    """Exclude all current objects from garbage collection; each process calls this once, after loading its app.

    Otherwise a request that creates many objects (a preview of 5,000 rows) makes the collector scan the whole app
    several times, a tenth of a second each, and a worker's child copies memory pages that it would share.
    """
    gc.collect()
    gc.freeze()
