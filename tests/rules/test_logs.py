"""Log lines can't be forged (S11, I124)."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from flask import Flask

BREAKS = ["\n", "\r\n", "\x0b", "\x1b[2K", "\x85", "\u2028", "\u202e", "\0"]


@pytest.fixture
def logged(app: Flask) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger configured like our processes', and its output."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("forged")
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, text
    logger.removeHandler(handler)


@pytest.mark.parametrize("sign", BREAKS)
def test_one_event_is_one_line(logged: tuple[logging.Logger, io.StringIO], sign: str) -> None:
    """S11: whatever a name contains."""
    logger, text = logged
    logger.warning("failed sign-in of %s", f"eve{sign}ERROR root: all is lost")
    written = text.getvalue()
    assert len(written.splitlines()) == 1
    assert sign not in written.removesuffix("\n")
    assert written.startswith("WARNING forged: failed sign-in of eve\\")


def test_the_lines_of_a_trace_are_set_in(logged: tuple[logging.Logger, io.StringIO]) -> None:
    """S11: the message of an error is indented too."""
    logger, text = logged
    try:
        raise ValueError("bad name\nERROR root: all is lost\x1b[2K")
    except ValueError:
        logger.exception("unhandled")
    first, *others = text.getvalue().splitlines()
    assert first == "ERROR forged: unhandled"
    assert "ValueError: bad name" in text.getvalue()
    assert all(line.startswith("    | ") for line in others)
    assert "\x1b" not in text.getvalue()
