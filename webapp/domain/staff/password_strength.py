"""Reject passwords that are easy to guess, without asking another service (S7)."""

from __future__ import annotations

import re

from zxcvbn import zxcvbn

from webapp.messages import Message, message

MIN_LENGTH = 12
MAX_LENGTH = 128
# Ten billion guesses: excludes common passwords and combinations of common words, keyboard rows, repeats and dates, and
# is out of reach of guessing online. zxcvbn's own scale says 4.
GUESSES = 10.0
# Characters passed to zxcvbn, whose limit is 72. Its time grows with the square of their number and with each reading
# of symbols as letters: 72 of the worst cost three times as much as 40, and 40 are enough for any passphrase.
LOOKED_AT = 40

OURS = ["laurel", "badge", "badges", "console", "community"]


def problem(password: str, email: str = "", name: str = "") -> Message | None:
    """Return why this password can't be used, or None if it can.

    `email` and `name` are the person's; their parts don't count as strength.
    """
    if len(password) < MIN_LENGTH:
        return message("staff.password_too_short", limit=MIN_LENGTH)
    if len(password) > MAX_LENGTH:
        return message("staff.password_too_long", limit=MAX_LENGTH)
    known = [*OURS, email, name, *re.split(r"[\W_]+", f"{email} {name}")]
    result = zxcvbn(password[:LOOKED_AT], user_inputs=[word for word in known if word])
    if result["guesses_log10"] < GUESSES:
        return message("staff.password_weak")
    return None
