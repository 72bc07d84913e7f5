"""Recovery codes: each replaces one code from the authenticator app (R-4)."""

from __future__ import annotations

import hashlib
import secrets

import sqlalchemy as sa
from sqlalchemy import func, insert, select

from webapp.database import db, execute_rowcount
from webapp.models import RecoveryCode

CODES = 10
# Four groups of four out of 31 unambiguous characters: 79 bits, so a plain hash is enough.
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP = 4, 4


def create(staff_id: int) -> list[str]:
    """Replace all recovery codes; return the ten new ones, which are stored only as hashes."""
    codes = ["-".join(_group() for _ in range(GROUPS)) for _ in range(CODES)]
    delete(staff_id)
    rows = [{"staff_id": staff_id, "code_hash": _hash(code)} for code in codes]
    db.session.execute(insert(RecoveryCode), rows)
    return codes


def redeem(staff_id: int, code: str) -> bool:
    """Check a recovery code and use it up."""
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
    return len(_normalize(typed)) == GROUPS * GROUP


def _normalize(typed: str) -> str:
    return "".join(typed.split()).replace("-", "").lower()


def _group() -> str:
    return "".join(secrets.choice(SIGNS) for _ in range(GROUP))


def _hash(code: str) -> str:
    return hashlib.sha256(_normalize(code).encode("utf-8", "surrogatepass")).hexdigest()
