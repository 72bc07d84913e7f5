"""How the domain says no, in the manager's words."""

from __future__ import annotations

from types import TracebackType


class DomainError(Exception):
    """An act that the rules don't allow now; the message is the sentence to show, `field` its place in a form.

    `note` says more where there is more to say than stands beside a field.
    """

    def __init__(self, message: str, field: str | None = None, note: str = "") -> None:
        super().__init__(message)
        self.message = message
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
        super().__init__(errors[0].message, errors[0].field)
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


class NotFoundError(Exception):
    """There is no such thing."""
