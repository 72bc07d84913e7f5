"""Errors of the domain: each has the code of a sentence in `webapp.messages`, with its values."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from webapp.messages import Message


class _CodedError(Exception):
    """An error whose sentence is rendered by whoever shows it."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.text = Message(code, values)

    @property
    def message(self) -> str:
        """The sentence to show."""
        return str(self.text)

    def __str__(self) -> str:
        return self.message


class DomainError(_CodedError):
    """An action that the rules don't allow now; `field` is its place in a form.

    `note` says more if there is more to say than fits beside a field.
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
    """What is wrong with more than one field, told at once; shows as its first where there is room for one."""

    def __init__(self, errors: list[DomainError]) -> None:
        first = errors[0]
        super().__init__(first.text.code, first.field, **first.text.values)
        self.errors = errors

    def flatten(self) -> list[DomainError]:
        return self.errors


class ErrorCollector:
    """Gathers what checks refuse of a form's fields: `with refusals:` around each check, then `settle`.

    What is refused of no field ends the act there and then, as do all other exceptions.
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
        """Raises what was gathered: nothing, the one refusal as it is, or Several."""
        if self._found:
            raise self._found[0] if len(self._found) == 1 else CompositeError(self._found)


class ConflictError(DomainError):
    """Somebody else changed what was decided on; nothing is written over theirs before it was seen."""


class NotFoundError(_CodedError):
    """A row with this ID doesn't exist."""
