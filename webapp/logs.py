"""What is logged can't be forged: one event, one line; the lines of a trace are set in (S11)."""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any

# What ends a line or moves the cursor somewhere, for a terminal, an editor or Python's own splitlines().
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
SET_IN = "    | "


class Line(logging.LogRecord):
    """A record whose message stays on its line, whatever names and addresses it was made of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0]:
            self.exc_text = _trace(self.exc_info)  # what formatters take, where it is there

    def getMessage(self) -> str:
        """The message, with control characters written out."""
        return escaped(super().getMessage())


def escaped(text: str) -> str:
    r"""The text with line breaks and other control characters written out, such as `\n` and `\x1b`."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _trace(exc_info: Any) -> str:
    lines = "".join(traceback.format_exception(*exc_info)).rstrip("\n").split("\n")
    return "\n".join(SET_IN + escaped(line) for line in lines)


def init() -> None:
    """From now on all that this process logs is made of `Line`s."""
    logging.setLogRecordFactory(Line)
