"""Recovery codes: each signs somebody in once in place of a code from the authenticator app (R-4)."""

from __future__ import annotations

import hashlib
import secrets

import sqlalchemy as sa
from sqlalchemy import func, insert, select

from webapp.database import db, execute_rowcount
from webapp.models import RecoveryCode

CODES = 10
# Four groups of four out of 31 signs that nobody mistakes for others: 79 bits, so a plain hash keeps them.
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP = 4, 4


def create(staff_id: int) -> list[str]:
    """Makes ten codes in place of those there were, and returns them; afterwards nobody can tell them."""
    codes = ["-".join(_group() for _ in range(GROUPS)) for _ in range(CODES)]
    delete(staff_id)
    rows = [{"staff_id": staff_id, "code_hash": _hash(code)} for code in codes]
    db.session.execute(insert(RecoveryCode), rows)
    return codes


def redeem(staff_id: int, code: str) -> bool:
    """Whether this is a code of theirs; it is used up by it."""
    used = sa.delete(RecoveryCode).where(
        RecoveryCode.staff_id == staff_id, RecoveryCode.code_hash == _hash(code)
    )
    return execute_rowcount(used) == 1


def delete(staff_id: int) -> None:
    db.session.execute(sa.delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))


def remaining(staff_id: int) -> int:
    counted = select(func.count()).where(RecoveryCode.staff_id == staff_id)
    return db.session.scalar(counted) or 0


def looks_like_one(typed: str) -> bool:
    return len(_bare(typed)) == GROUPS * GROUP


def _bare(typed: str) -> str:
    return "".join(typed.split()).replace("-", "").lower()


def _group() -> str:
    return "".join(secrets.choice(SIGNS) for _ in range(GROUP))


def _hash(code: str) -> str:
    return hashlib.sha256(_bare(code).encode("utf-8", "surrogatepass")).hexdigest()
