"""Batches: made, filled, read, deleted."""

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


def limit() -> int:
    most: int = current_app.config["LAUREL"].batch_max_members
    return most


@operation(
    "POST",
    "/batches",
    Scope.BATCHES_WRITE,
    tag="Batches",
    summary="Make a draft",
    body=BatchIn,
    responses={201: BatchFilled},
    problems=(409,),
    example={
        "body": {
            "name": "Course completions, May",
            "quest": "$QUEST",
            "members": [{"id": "4821"}, {"username": "boris"}, {"id": "4821"}],
        }
    },
)
def make_batch(call: Call) -> Reply:
    """Makes a draft with these members. Nobody receives anything before its publication.

    The report tells what became of each member that was named, in the words of the preview of a file: who was not
    found is left out, who was named twice is added once.
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
    example={"path": {"batch_id": "$BATCH"}, "body": {"members": [{"id": "4822"}]}},
)
def add_members(call: Call, batch_id: str) -> Reply:
    """Adds members to a draft, or to a batch that is Published; the same report as at the making."""
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
    """Batches and drafts, newest first."""
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
    summary="Read a batch, and its progress",
    responses={200: BatchOut},
    problems=(404,),
    example={"path": {"batch_id": "$BATCH"}},
)
def read_batch(_call: Call, batch_id: str) -> Reply:
    """One batch. While its status is Unpublished or In Progress, `percent` tells how far the run has come."""
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
    """The members of a batch, newest first, each with its status and, where it is an error, why."""
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
    """Deletes a draft with the members in it; a batch that was published stays."""
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
    """Removes a member who is not unlocked yet; one who is not in the batch is no error."""
    batch = drafts.get(number_of(batch_id) or 0)
    entry_id = entries.of_member(batch, member_queries.by_external_id(member_id).id)
    if entry_id is not None:
        drafts.remove_member(batch.id, entry_id, call.actor)
    return Reply(204)
