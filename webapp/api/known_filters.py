"""Filters that name a member, quest or batch: one that doesn't exist is an error, not an empty list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from webapp.api.framework.problems import FieldError, invalid
from webapp.domain.errors import NotFoundError
from webapp.domain.lookup import require
from webapp.domain.members import queries as member_queries
from webapp.models import Batch, Quest
from webapp.schemas.common import number_of


class KnownFilters:
    """Each method returns the row's ID for the value of a parameter; None if the parameter is missing or unknown."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def member(self, parameter: str, external_id: str | None) -> int | None:
        if external_id is None:
            return None
        try:
            return member_queries.by_external_id(external_id).id
        except NotFoundError as unknown:
            self.errors.append(FieldError(unknown.message, parameter=parameter))
            return None

    def quest(self, parameter: str, key: str | None) -> int | None:
        return self._known(Quest, parameter, key)

    def batch(self, parameter: str, key: str | None) -> int | None:
        return self._known(Batch, parameter, key)

    def _known(self, model: type[Batch | Quest], parameter: str, key: str | None) -> int | None:
        if key is None:
            return None
        try:
            return require(model, number_of(key) or 0).id
        except NotFoundError as unknown:
            self.errors.append(FieldError(unknown.message, parameter=parameter))
            return None


@contextmanager
def known_filters() -> Iterator[KnownFilters]:
    """Collect the unknown values of several filters; raises ProblemError with all of them."""
    known = KnownFilters()
    yield known
    if known.errors:
        raise invalid(known.errors)
