"""Create batches from the members that match the directory's filters (D-3)."""

from __future__ import annotations

from webapp.domain import labels
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.batches import drafts
from webapp.domain.batches.drafts import Heading
from webapp.domain.errors import ConflictError, DomainError
from webapp.domain.members.filters import MemberFilters
from webapp.domain.members.search import Search
from webapp.models import Batch

MOST = 20  # batches created in one transaction


class TooManyMembersError(DomainError):
    """More members than one batch can have; `create_several` divides them."""


def create(filters: MemberFilters, limit: int, actor: Actor) -> Batch:
    """Create a draft with these members, without a name or badge; not idempotent.

    Raises TooManyMembersError for more than `limit` members, and DomainError if there are none.
    """
    search = Search(filters)
    ids = search.first(limit + 1)
    if len(ids) > limit:
        raise TooManyMembersError("batches.too_many_members", limit=limit, number=search.count())
    if not ids:
        raise DomainError("batches.no_members")
    batch = drafts.add_draft(Heading(), actor)
    added = drafts.add_members(batch.id, ids, limit, actor)
    audit_log.write(actor, "batch.gathered", "batch", batch.id, members=added)
    return batch


def number_of(members: int, limit: int) -> int:
    return -(-members // limit)


def create_several(
    filters: MemberFilters, heading: Heading, limit: int, actor: Actor, seen: int | None
) -> list[Batch]:
    """Divide these members into drafts of up to `limit`, named `NAME (1/3)`, in one action.

    `seen` is the number of members that the person confirmed. Raises ConflictError if it has changed, and DomainError
    if the name is missing, there are too many members, or as `drafts.create` does.
    """
    name = labels.validate(heading.name, missing="batches.name_for_several_missing")
    ids = Search(filters).first(MOST * limit + 1)
    if len(ids) > MOST * limit:
        raise too_many(limit)
    if len(ids) != seen:
        raise ConflictError("batches.list_changed", number=len(ids))
    parts = [ids[start : start + limit] for start in range(0, len(ids), limit)]
    longest = labels.MAX_LENGTH - len(_place(len(parts), len(parts)))
    if len(name) > longest:
        raise DomainError("batches.name_too_long", "name", limit=longest)
    made = []
    for place, part in enumerate(parts, start=1):
        title = name + _place(place, len(parts))
        made.append(drafts.add_draft(Heading(title, heading.quest_id), actor))
        drafts.add_members(made[-1].id, part, limit, actor)
    if made:
        audit_log.write(
            actor, "batch.divided", "batch", made[0].id, batches=len(made), members=len(ids)
        )
    return made


def too_many(limit: int) -> DomainError:
    """Return the error for more members than MOST batches can have."""
    return DomainError("batches.too_many_batches", limit=MOST, members=MOST * limit)


def _place(place: int, of: int) -> str:
    return f" ({place}/{of})"
