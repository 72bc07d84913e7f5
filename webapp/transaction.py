"""`with transaction():` is the only way to write: it commits, then enqueues the requested jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from webapp.database import db
from webapp.infrastructure import job_queue


@contextmanager
def transaction() -> Iterator[None]:
    """Commit everything that the block wrote, or nothing; enqueue its jobs after the commit.

    Rolls back any open read transaction first, so the block starts from a fresh snapshot.
    """
    session = db.session()
    if session.info.get("writing"):
        raise RuntimeError("one request, one transaction: a shell makes one call into the domain")
    session.rollback()
    session.info["writing"] = True
    try:
        session.connection(execution_options={"write": True})
        yield
        session.commit()
    except BaseException:
        session.rollback()
        job_queue.discard_pending()
        raise
    finally:
        session.info.pop("writing", None)
    job_queue.flush_after_commit()


@event.listens_for(Session, "before_flush")
def _only_inside(session: Session, *_: Any) -> None:
    if not session.info.get("writing") and (session.new or session.dirty or session.deleted):
        raise RuntimeError("writes belong inside `with transaction():`")
