"""Which passwords are too easy to guess; judged here, without asking anybody (S7)."""

from __future__ import annotations

import re

from zxcvbn import zxcvbn

from webapp.messages import Message, message

MIN_LENGTH = 12
MAX_LENGTH = 128
# Ten thousand million guesses: what passes is neither among the common passwords nor made of common words,
# rows of keys, repetitions and dates, and is out of reach of guessing at the door. zxcvbn's own scale says 4.
GUESSES = 10.0
# Characters that zxcvbn reads. It takes no more than 72, and its time grows with the square of their number, for each
# way to read the symbols as letters: 72 of the worst cost three times what 40 do, and 40 hold any passphrase.
LOOKED_AT = 40

OURS = ["laurel", "badge", "badges", "console", "community"]


def problem(password: str, email: str = "", name: str = "") -> Message | None:
    """Return why this password can't be used, or None if it can.

    `email` and `name` are the person's: what stands in them helps no password.
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
