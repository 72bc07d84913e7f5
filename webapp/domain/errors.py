"""Errors of the domain: each has a message code from `webapp.messages`, with its values."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from webapp.messages import Message


class _CodedError(Exception):
    """An error whose message is rendered when it is shown."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.text = Message(code, values)

    @property
    def message(self) -> str:
        return str(self.text)

    def __str__(self) -> str:
        return self.message


class DomainError(_CodedError):
    """An action that isn't allowed now; `field` is the form field it belongs to.

    `note` is a longer explanation that doesn't fit next to the field.
    """

    def __init__(
        self, code: str, field: str | None = None, /, *, note: str = "", **values: Any
    ) -> None:
        super().__init__(code, **values)
        self.field = field
        self.note = note

    def flatten(self) -> list[DomainError]:
        return [self]

    def by_field(self) -> dict[str, list[str]]:
        messages: dict[str, list[str]] = {}
        for error in self.flatten():
            messages.setdefault(error.field or "", []).append(error.message)
        return messages


class CompositeError(DomainError):
    """Errors of several fields; its own message is the first one's."""

    def __init__(self, errors: list[DomainError]) -> None:
        first = errors[0]
        super().__init__(first.text.code, first.field, **first.text.values)
        self.errors = errors

    def flatten(self) -> list[DomainError]:
        return self.errors


class ErrorCollector:
    """Collect the errors of a form's fields: wrap each check in `with errors:`, then call `raise_if_any`.

    Errors without a field and other exceptions are not collected and end the action immediately.
    """

    def __init__(self) -> None:
        self._found: list[DomainError] = []

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> bool:
        gathered = isinstance(error, DomainError) and error.field is not None
        if isinstance(error, DomainError) and gathered:
            self._found += error.flatten()
        return gathered

    def raise_if_any(self) -> None:
        """Raise the collected error, or CompositeError if there are several."""
        if self._found:
            raise self._found[0] if len(self._found) == 1 else CompositeError(self._found)


class ConflictError(DomainError):
    """Someone else has changed what the user saw; saving would overwrite their change."""


class NotFoundError(_CodedError):
    """A row with this ID doesn't exist."""
