"""The web process's log: gunicorn's lines and ours in the same format (LAUREL_LOGS)."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from webapp.config import load
from webapp.infrastructure import log_format


class Log(Logger):
    """Passes gunicorn's lines to the root's handler. There is no access log, because paths can name members."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        log_format.setup(load().logs)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.INFO)
