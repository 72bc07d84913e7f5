"""How the domain says no, in the manager's words."""

from __future__ import annotations


class Refused(Exception):
    """An act that the rules don't allow now; the message is the sentence to show, `field` its place in a form."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class ChangedMeanwhile(Refused):
    """Somebody else changed what was decided on; nothing is written over theirs before it was seen."""


class NotFound(Exception):
    """There is no such thing."""
