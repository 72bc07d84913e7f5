"""The record of every act (L-1)."""

from __future__ import annotations

from typing import Any

from webapp.database import db
from webapp.domain.act import Act
from webapp.models import Record


def write(act: Act, verb: str, kind: str, subject_id: int | None = None, **detail: Any) -> None:
    """Records one act, such as `batch.published` of the batch 7; each call is a row."""
    db.session.add(
        Record(
            at=act.at,
            actor=act.actor,
            staff_id=act.staff_id,
            origin=act.origin,
            verb=verb,
            subject_kind=kind,
            subject_id=subject_id,
            detail=detail,
        )
    )
