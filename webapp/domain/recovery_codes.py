"""Recovery codes: each opens the door once, where the authenticator app is lost (R-4)."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import delete, func, insert, select

from webapp.database import db, execute_rowcount
from webapp.models import RecoveryCode

CODES = 10
# Four groups of four out of 31 signs that nobody mistakes for others: 79 bits, so a plain hash keeps them.
SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP = 4, 4


def make(staff_id: int) -> list[str]:
    """Makes ten codes in place of those there were, and returns them; afterwards nobody can tell them."""
    codes = ["-".join(_group() for _ in range(GROUPS)) for _ in range(CODES)]
    forget(staff_id)
    rows = [{"staff_id": staff_id, "code_hash": _hash(code)} for code in codes]
    db.session.execute(insert(RecoveryCode), rows)
    return codes


def use(staff_id: int, code: str) -> bool:
    """Whether this is a code of theirs; it is used up by it."""
    used = delete(RecoveryCode).where(
        RecoveryCode.staff_id == staff_id, RecoveryCode.code_hash == _hash(code)
    )
    return execute_rowcount(used) == 1


def forget(staff_id: int) -> None:
    """Removes the codes somebody has; harmless where there are none."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))


def left(staff_id: int) -> int:
    """How many codes somebody has."""
    counted = select(func.count()).where(RecoveryCode.staff_id == staff_id)
    return db.session.scalar(counted) or 0


def looks_like_one(typed: str) -> bool:
    """Whether this has the length of a recovery code, however it is spaced."""
    return len(_bare(typed)) == GROUPS * GROUP


def _bare(typed: str) -> str:
    return "".join(typed.split()).replace("-", "").lower()


def _group() -> str:
    return "".join(secrets.choice(SIGNS) for _ in range(GROUP))


def _hash(code: str) -> str:
    return hashlib.sha256(_bare(code).encode("utf-8", "surrogatepass")).hexdigest()
