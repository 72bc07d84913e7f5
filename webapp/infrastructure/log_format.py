"""Forgery-proof logs: one event per line; the lines of a traceback are indented (S11)."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import threading
import traceback
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

# Characters that end a line or move the cursor in a terminal, an editor or Python's splitlines().
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
SET_IN = "    | "
TALKATIVE = ("alembic.runtime.plugins",)  # logs each of its plugins whenever a process starts

# The ID of this thread's request or job, added to every line it logs.
at_work: ContextVar[str] = ContextVar("at_work", default="")


class SafeLogRecord(logging.LogRecord):
    """A log record whose message stays on one line, whatever names and addresses it contains."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0]:
            self.exc_text = _trace(self.exc_info)  # formatters prefer it if it is set

    def getMessage(self) -> str:  # noqa: N802 (logging calls it so)
        return escaped(super().getMessage())


def escaped(text: str) -> str:
    r"""Escape line breaks and other control characters, such as `\n` and `\x1b`."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _trace(exc_info: Any) -> str:
    lines = "".join(traceback.format_exception(*exc_info)).rstrip("\n").split("\n")
    return "\n".join(SET_IN + escaped(line) for line in lines)


def new_id() -> str:
    return secrets.token_hex(6)


def log_failure(logger: logging.Logger, what: str, route: str, error: BaseException) -> str:
    """Log an error that ended a request, with its traceback; return the reference shown in the response."""
    reference = at_work.get() or new_id()
    logger.error("%s [%s] %s", what, reference, route, exc_info=error)
    return reference


class Text(logging.Formatter):
    """For people: `WARNING webapp.infrastructure.job_queue: the queue is away [4fd1c0ffee12]`, then the traceback."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s%(during)s")

    def format(self, record: logging.LogRecord) -> str:
        at = at_work.get()
        record.during = f" [{at}]" if at else ""
        return super().format(record)


class Json(logging.Formatter):
    """For machines: one JSON object per line and event, including the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, including the fields of `extra={"fields": …}`."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if at := at_work.get():
            entry["request"] = at
        entry |= getattr(record, "fields", {})
        if record.exc_text:
            entry["trace"] = record.exc_text.replace(SET_IN, "")
        return json.dumps(entry, ensure_ascii=False)


def line_as_json(line: str, service: str, level: str = "INFO") -> str:
    """A line of a process as an object: its own if it's one already, otherwise one with the line as its message."""
    with suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict):
            return json.dumps({"service": service, **entry}, ensure_ascii=False)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    entry = {"service": service, "time": now, "level": level, "message": escaped(line)}
    return json.dumps(entry, ensure_ascii=False)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    logging.getLogger("laurel").critical("uncaught error", exc_info=(kind, error, trace))


def init() -> None:
    """Use SafeLogRecord for everything that this process logs from now on."""
    logging.setLogRecordFactory(SafeLogRecord)


def setup(style: str) -> None:
    """Log from INFO to standard error as `text` or `json`, there with errors that nothing catches; not for tests."""
    init()
    if style == "json":
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda args: _log_uncaught(
            args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
        )
        logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if style == "json" else Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
