"""Hash passwords at the lowest cost: the real one takes a fifth of a second of a core for each."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from webapp.domain import staff

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
REAL, staff._hasher = staff._hasher, CHEAP


@pytest.fixture
def real_password_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "_hasher", REAL)
