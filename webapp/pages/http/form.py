"""The base class of forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Self

from flask import request

from webapp.domain.errors import ConflictError, DomainError
from webapp.pages.http.request_args import form_number


@dataclass(kw_only=True)
class Form:
    version: int | None = None  # of the object that was edited
    conflict: str = field(default="", init=False)  # who has changed it since
    errors: dict[str, list[str]] = field(default_factory=dict, init=False)

    @classmethod
    def sent(cls) -> Self:
        read: dict[str, Callable[[str], Any]] = {
            "str": lambda name: request.form.get(name, ""),
            "list[str]": request.form.getlist,
            "int | None": form_number,
        }
        types = {field_.name: str(field_.type) for field_ in fields(cls) if field_.init}
        return cls(**{name: read[kind](name) for name, kind in types.items() if kind in read})

    def refuse(self, refusal: DomainError) -> None:
        self.errors |= refusal.by_field()

    def show_conflict(self, conflict: ConflictError, version: int) -> None:
        """Say who has changed the object since. Sending the form again overwrites their version."""
        self.conflict, self.version = conflict.message, version
