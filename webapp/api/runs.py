"""What begins and ends the workers' way through a batch: publication, halt, retries, dismissal, reversal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webapp.api.framework.operations import Call, Handler, Reply, operation
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, runs
from webapp.domain.permissions import Scope
from webapp.schemas.batches import BatchOut
from webapp.schemas.common import EmptyBody, number_of


def act_on_batch(noun: str, summary: str, **stated: Any) -> Callable[[Handler], Handler]:
    """An operation that does something with a batch and answers with the batch."""
    return operation(
        "POST",
        f"/batches/<batch_id>/{noun}",
        Scope.BATCHES_WRITE,
        tag="Batches",
        summary=summary,
        body=EmptyBody,
        body_optional=True,
        problems=(404, 409),
        example={"path": {"batch_id": "$BATCH"}},
        **stated,
    )


@act_on_batch("publication", "Publish a batch", responses={200: BatchOut, 202: BatchOut})
def publish_batch(call: Call, batch_id: str) -> Reply:
    """Hands what isn't published yet to the workers: 202, read the batch for its progress. 200 when there is nothing.

    Needs a name and a quest. Publish again after adding members to a batch that is Published.
    """
    return _done(call, batch_id, runs.publish)


@act_on_batch("halt", "Stop a batch", responses={200: BatchOut})
def stop_batch(call: Call, batch_id: str) -> Reply:
    """Ends a run after the members in hand; the rest are errors, which `retries` takes up again."""
    return _done(call, batch_id, runs.stop, begins=False)


@act_on_batch("retries", "Retry the errors", responses={200: BatchOut, 202: BatchOut})
def retry_batch(call: Call, batch_id: str) -> Reply:
    """Unlocks the failed members of a batch that is Partially published again; 200 when there are none."""
    return _done(call, batch_id, runs.retry)


@act_on_batch("dismissal", "Dismiss the errors", responses={200: BatchOut})
def dismiss_errors(call: Call, batch_id: str) -> Reply:
    """Removes the failed members from the batch, which is Published then."""
    return _done(call, batch_id, runs.dismiss, begins=False)


@act_on_batch("reversal", "Undo a batch", responses={200: BatchOut, 202: BatchOut})
def undo_batch(call: Call, batch_id: str) -> Reply:
    """Takes back the awards that this batch made and nobody touched since, in a run of its own; 200 when it is done."""
    return _done(call, batch_id, runs.undo)


def _done(
    call: Call, batch_id: str, verb: Callable[[int, Actor], Any], *, begins: bool = True
) -> Reply:
    number = number_of(batch_id) or 0
    verb(number, call.actor)
    batch = drafts.get(number)
    began = begins and batch.running
    return Reply(202 if began else 200, BatchOut.of(batch))
