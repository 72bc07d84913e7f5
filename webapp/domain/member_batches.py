"""A batch of those whom the directory's filters leave (D-3)."""

from __future__ import annotations

from webapp.domain import batches, record
from webapp.domain.act import Act
from webapp.domain.batches import Heading
from webapp.domain.member_filters import Filters
from webapp.domain.member_search import Search
from webapp.domain.refusals import Refused
from webapp.models import Batch


def create(filters: Filters, limit: int, act: Act) -> Batch:
    """Opens a draft with these members, without a name or badge yet; each call makes one.

    Raises Refused, with both numbers, where they are more than `limit`, and where nobody is left.
    """
    search = Search(filters)
    ids = search.first(limit + 1)
    if len(ids) > limit:
        raise Refused(
            f"A batch can have up to {limit:,} members; these are {search.count():,}. "
            "Filter for fewer, or export them and split the file."
        )
    if not ids:
        raise Refused("Nobody meets these filters, so there is nobody to make a batch of.")
    batch = batches.create(Heading(), act)
    added = batches.add_members(batch.id, ids, limit, act)
    record.write(act, "batch.gathered", "batch", batch.id, members=added)
    return batch
