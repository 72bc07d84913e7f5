"""Hash passwords at the lowest cost: at the real cost each takes a fifth of a second of CPU time."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from webapp.domain.staff import accounts

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
REAL, accounts._hasher = accounts._hasher, CHEAP


@pytest.fixture
def real_password_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_hasher", REAL)
