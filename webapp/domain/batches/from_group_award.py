"""Continue a group award with too many usernames as a batch."""

from __future__ import annotations

from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.awards.common import validate_reason
from webapp.domain.awards.group import find
from webapp.domain.batches import drafts
from webapp.domain.batches.drafts import Heading
from webapp.domain.errors import DomainError
from webapp.domain.labels import from_text
from webapp.domain.members import username_list


def continue_as_batch(
    text: str, quest_id: int | None, reason: str, limit: int, actor: Actor
) -> tuple[int, list[str]]:
    """Create a draft with these members and quest, named after the reason; return its ID and the unknown usernames.

    Not idempotent. Raises DomainError for more than `limit` usernames, or if none of them exists (M-10).
    """
    names = username_list.parse(text)
    if not names:
        raise DomainError("awards.recipients_missing", "to")
    if len(names) > limit:
        raise DomainError("batches.group_too_large", "to", limit=limit, number=len(names))
    members, unknown = find(names)
    if not members:
        raise DomainError("batches.no_username_found", "to")
    name = from_text(validate_reason(reason))
    batch = drafts.add_draft(Heading(name, quest_id), actor)
    added = drafts.add_members(batch.id, [member.id for member in members], limit, actor)
    audit_log.write(actor, "batch.continued", "batch", batch.id, added=added, left_out=len(unknown))
    return batch.id, unknown
