"""Batches: creating, filling, reading and deleting them."""

from __future__ import annotations

from flask import current_app

from webapp.api.framework.operations import Call, Reply, operation
from webapp.domain.batches import drafts, entries, from_api, listing
from webapp.domain.batches.drafts import Heading
from webapp.domain.members import queries as member_queries
from webapp.domain.permissions import Scope
from webapp.models import BatchStatus
from webapp.schemas.batches import (
    BatchFilled,
    BatchIn,
    BatchListParams,
    BatchMembersIn,
    BatchOut,
    BatchPage,
    EntryListParams,
    EntryOut,
    EntryPage,
)
from webapp.schemas.common import number_of

STATUSES = {status.label: status for status in BatchStatus}
# What a draft has in place of the example of a finished batch.
DRAFT = {
    "status": "Draft",
    "processed": 0,
    "total": 0,
    "percent": 0,
    "users": 319,
    "counts": {"published": 0, "error": 0, "unpublished": 319, "already_held": 0},
    "published_at": None,
}


def limit() -> int:
    most: int = current_app.config["LAUREL"].batch_max_members
    return most


@operation(
    "POST",
    "/batches",
    Scope.BATCHES_WRITE,
    tag="Batches",
    summary="Create a draft",
    body=BatchIn,
    responses={201: BatchFilled},
    problems=(409,),
    example={
        "body": {
            "name": "Course completions, May",
            "quest": "$QUEST",
            "members": [{"id": "4821"}, {"username": "boris"}, {"id": "4821"}],
        },
        "response": DRAFT,
    },
)
def make_batch(call: Call) -> Reply:
    """Creates a draft with these members. No one receives the badge until you publish it.

    The report covers every member in the request: members who aren't found are left out, and duplicates are merged.

    Each request creates a new draft, so send an `Idempotency-Key` if you might repeat it. Returns 422 if the quest
    isn't found or is archived, and 409 if the batch would have too many members.
    """
    body: BatchIn = call.body
    heading = Heading(body.name, number_of(body.quest))
    named = [member.named() for member in body.members]
    return Reply(201, BatchFilled.with_(from_api.create(heading, named, limit(), call.actor)))


@operation(
    "POST",
    "/batches/<batch_id>/members",
    Scope.BATCHES_WRITE,
    tag="Batches",
    summary="Add members",
    body=BatchMembersIn,
    responses={200: BatchFilled},
    problems=(404, 409),
    example={
        "path": {"batch_id": "$BATCH"},
        "body": {"members": [{"id": "4822"}]},
        "response": DRAFT,
    },
)
def add_members(call: Call, batch_id: str) -> Reply:
    """Adds members to a draft or to a batch that is `Published`, with the same report as when you create one.

    Members who are already in the batch stay in it once, so you can safely send the request again. To award the badge
    to members you've added to a published batch, publish it again.

    Returns 404 if the batch doesn't exist. Returns 409, and adds no one, if the batch is running, has errors or was
    undone, or would have too many members.
    """
    body: BatchMembersIn = call.body
    named = [member.named() for member in body.members]
    filled = from_api.fill(number_of(batch_id) or 0, named, limit(), call.actor)
    return Reply(200, BatchFilled.with_(filled))


@operation(
    "GET",
    "/batches",
    Scope.BATCHES_READ,
    tag="Batches",
    summary="List batches",
    query=BatchListParams,
    responses={200: BatchPage},
    example={"query": {"status": "Published"}},
)
def list_batches(call: Call) -> Reply:
    """Returns batches and drafts, newest first."""
    params: BatchListParams = call.query
    status = STATUSES[params.status] if params.status else None
    page = listing.after(params.after, params.limit, status)
    items = [BatchOut.of(batch) for batch in page.items]
    following = params.cursor_to(page.after)
    return Reply(200, BatchPage.model_construct(items=items, next=following))


@operation(
    "GET",
    "/batches/<batch_id>",
    Scope.BATCHES_READ,
    tag="Batches",
    summary="Get a batch and its progress",
    responses={200: BatchOut},
    problems=(404,),
    example={"path": {"batch_id": "$BATCH"}},
)
def read_batch(_call: Call, batch_id: str) -> Reply:
    """Returns a batch, or 404 if the batch doesn't exist.

    While its status is `Unpublished` or `In Progress`, it's being processed, and `percent` shows the progress. To
    follow a batch, poll it every few seconds or use a webhook.
    """
    return Reply(200, BatchOut.of(drafts.get(number_of(batch_id) or 0)))


@operation(
    "GET",
    "/batches/<batch_id>/members",
    Scope.BATCHES_READ,
    tag="Batches",
    summary="List the members of a batch",
    query=EntryListParams,
    responses={200: EntryPage},
    problems=(404,),
    example={"path": {"batch_id": "$BATCH"}, "query": {"status": "Error"}},
)
def list_entries(call: Call, batch_id: str) -> Reply:
    """Returns the members of a batch, those added last first, each with their status and the reason for an error.

    Returns 404 if the batch doesn't exist.
    """
    params: EntryListParams = call.query
    batch = drafts.get(number_of(batch_id) or 0)
    after = params.after
    page = entries.after(batch, after[0] if after else None, params.limit, params.status)
    items = [EntryOut.of(entry, batch) for entry in page.items]
    following = params.cursor_to(page.after)
    return Reply(200, EntryPage.model_construct(items=items, next=following))


@operation(
    "DELETE",
    "/batches/<batch_id>",
    Scope.BATCHES_WRITE,
    tag="Batches",
    summary="Delete a draft",
    responses={204: None},
    problems=(404, 409),
    example={"path": {"batch_id": "$DRAFT"}},
)
def delete_batch(call: Call, batch_id: str) -> Reply:
    """Deletes a draft and its list of members.

    Returns 404 if the batch doesn't exist, also if you've already deleted it, and 409 if it has been published.
    """
    drafts.delete_draft(number_of(batch_id) or 0, call.actor)
    return Reply(204)


@operation(
    "DELETE",
    "/batches/<batch_id>/members/<member:member_id>",
    Scope.BATCHES_WRITE,
    tag="Batches",
    summary="Remove a member from a batch",
    responses={204: None},
    problems=(404, 409),
    example={"path": {"batch_id": "$DRAFT", "member_id": "4821"}},
)
def remove_member(call: Call, batch_id: str, member_id: str) -> Reply:
    """Removes a member from a batch before they are processed.

    Returns 204 also if the member isn't in the batch, so you can safely send the request again. Returns 404 if the
    batch or member doesn't exist, and 409 if the member has been processed or is being processed.
    """
    batch = drafts.get(number_of(batch_id) or 0)
    entry_id = entries.of_member(batch, member_queries.by_external_id(member_id).id)
    if entry_id is not None:
        drafts.remove_member(batch.id, entry_id, call.actor)
    return Reply(204)
