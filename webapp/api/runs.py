"""Actions on a batch: publish, stop, retry, dismiss and undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webapp.api.framework.operations import Call, Handler, Reply, operation
from webapp.domain.actor import Actor
from webapp.domain.batches import drafts, runs
from webapp.domain.permissions import Scope
from webapp.schemas.batches import BatchOut
from webapp.schemas.common import EmptyBody, number_of

# What a running batch has in place of the example of a finished one.
RUNNING = {
    "status": "In Progress",
    "processed": 120,
    "percent": 37,
    "counts": {"published": 120, "error": 0, "unpublished": 200, "already_held": 5},
}


def act_on_batch(
    noun: str, summary: str, *, response: dict[str, Any] | None = None, **stated: Any
) -> Callable[[Handler], Handler]:
    """Register an operation that changes a batch and returns it."""
    return operation(
        "POST",
        f"/batches/<batch_id>/{noun}",
        Scope.BATCHES_WRITE,
        tag="Batches",
        summary=summary,
        body=EmptyBody,
        body_optional=True,
        problems=(404, 409),
        example={"path": {"batch_id": "$BATCH"}, "response": response or {}},
        **stated,
    )


@act_on_batch(
    "publication", "Publish a batch", responses={200: BatchOut, 202: BatchOut}, response=RUNNING
)
def publish_batch(call: Call, batch_id: str) -> Reply:
    """Starts to award the badge to all unpublished members of the batch. Returns 202; poll the batch for progress.

    If the batch is already running, or there is nothing to publish (200), nothing changes, so you can safely send the
    request again. After you've added members to a `Published` batch, publish it again.

    Returns 404 if the batch doesn't exist, and 422 if it has no name or quest, or its quest is archived.
    """
    return _run_action(call, batch_id, runs.publish)


@act_on_batch("halt", "Stop a batch", responses={200: BatchOut})
def stop_batch(call: Call, batch_id: str) -> Reply:
    """Stops a running batch after the current group of members. The remaining members get the status `Error`.

    To continue, retry the errors. If the batch isn't running, returns it unchanged. Returns 404 if the batch
    doesn't exist, and 409 if it's being undone, which can't be stopped.
    """
    return _run_action(call, batch_id, runs.stop, begins=False)


@act_on_batch("retries", "Retry errors", responses={200: BatchOut, 202: BatchOut}, response=RUNNING)
def retry_batch(call: Call, batch_id: str) -> Reply:
    """Tries again to award the badge to all members with an error. Returns 202; poll the batch for progress.

    Returns 200 and does nothing if there are no errors. If they're already being retried, nothing changes. Returns
    404 if the batch doesn't exist, 409 if it's a draft or was undone, and 422 if its quest is archived.
    """
    return _run_action(call, batch_id, runs.retry)


@act_on_batch("dismissal", "Dismiss errors", responses={200: BatchOut})
def dismiss_errors(call: Call, batch_id: str) -> Reply:
    """Removes all members with an error from a batch that is `Partially published`. It then becomes `Published`.

    Does nothing if there are no errors. Returns 404 if the batch doesn't exist, and 409 if it's a draft or running, or
    was undone.
    """
    return _run_action(call, batch_id, runs.dismiss, begins=False)


@act_on_batch(
    "reversal", "Undo a batch", responses={200: BatchOut, 202: BatchOut}, response=RUNNING
)
def undo_batch(call: Call, batch_id: str) -> Reply:
    """Starts to revoke the awards that this batch made. Awards that have changed since are kept.

    Returns 202; poll the batch for progress. Returns 200 and does nothing if the batch was already undone. Returns
    404 if the batch doesn't exist, and 409 if it isn't finished or didn't award anything.
    """
    return _run_action(call, batch_id, runs.undo)


def _run_action(
    call: Call, batch_id: str, verb: Callable[[int, Actor], Any], *, begins: bool = True
) -> Reply:
    number = number_of(batch_id) or 0
    verb(number, call.actor)
    batch = drafts.get(number)
    began = begins and batch.running
    return Reply(202 if began else 200, BatchOut.of(batch))
