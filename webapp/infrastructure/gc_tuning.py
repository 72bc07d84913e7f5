"""The process's heap: modules, models and routes, which are loaded at the start and stay."""

from __future__ import annotations

import gc


def freeze() -> None:
    """Leaves out of Python's collections all there is now; called once by each process, when it has loaded its app.

    Otherwise a request that makes many objects (a preview of 5,000 rows) goes through the whole app several times, a
    tenth of a second each, and a worker's child copies the pages of memory that it would share.
    """
    gc.collect()
    gc.freeze()
