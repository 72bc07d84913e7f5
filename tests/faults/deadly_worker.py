"""A worker in which the award to one member kills the process, as a bug in a library could."""

from __future__ import annotations

import os
import signal
from typing import Any

from sqlalchemy import select

from jobs import worker
from webapp.database import db
from webapp.domain.batches import award_entries as batch_awards
from webapp.models import Entry

DEADLY = int(os.environ["DEADLY"])
award_entries = batch_awards.award_chunk


def deadly(batch: Any, chunk: Any, at: Any) -> Any:
    """Die if the deadly member is among the entries."""
    members = select(Entry.member_id).where(Entry.batch_id == batch.id, chunk)
    if DEADLY in db.session.scalars(members).all():
        os.kill(os.getpid(), signal.SIGKILL)
    return award_entries(batch, chunk, at)


batch_awards.award_chunk = deadly

if __name__ == "__main__":
    worker.main()
