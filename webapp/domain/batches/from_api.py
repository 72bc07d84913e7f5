"""Create and fill batches for other systems, which name members individually (B-14)."""

from __future__ import annotations

from dataclasses import dataclass, field

from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.batches import drafts, preview
from webapp.domain.batches.drafts import Heading
from webapp.domain.batches.preview import Preview
from webapp.domain.batches.preview_rows import PreviewRows
from webapp.domain.batches.uploads import ROWS_PER_MEMBER
from webapp.domain.csv_files import Sheet
from webapp.domain.errors import DomainError
from webapp.domain.members.identify import MatchedRow
from webapp.domain.members.named import NamedMember
from webapp.messages import Message
from webapp.models import Batch

NOT_A_FILE = Message("csv_files.not_a_file")


@dataclass(frozen=True)
class FillResult:
    """A batch, the number of added members, and the result for each named member, in order."""

    batch: Batch
    added: int = 0
    lines: list[MatchedRow] = field(default_factory=list)


def create(heading: Heading, named: list[NamedMember], limit: int, actor: Actor) -> FillResult:
    """Create a draft with these members; not idempotent. Raises DomainError as `drafts.create` and `fill`."""
    batch = drafts.create(heading, actor)
    return fill(batch.id, named, limit, actor) if named else FillResult(batch)


def fill(batch_id: int, named: list[NamedMember], limit: int, actor: Actor) -> FillResult:
    """Add the members that are found. Idempotent.

    Raises DomainError, adding none, if the batch can't take members or would exceed `limit`.
    """
    batch = drafts.lock(batch_id)
    drafts.ensure_accepts_members(batch)
    if len(named) > ROWS_PER_MEMBER * limit:
        raise DomainError(
            "batches.too_many_named", "members", number=len(named), limit=ROWS_PER_MEMBER * limit
        )
    seen = preview.resolve(_sheet(named), batch.id)
    added = drafts.add_members(batch.id, seen.member_ids(), limit, actor)
    counts = seen.counts()
    if added:
        audit_log.write(
            actor, "batch.extended", "batch", batch.id, added=added, left_out=counts["errors"]
        )
    return FillResult(batch, added, list(seen.lines))


def report(lines: list[MatchedRow]) -> dict[str, int]:
    return Preview(NOT_A_FILE, [], [], 0, lines=PreviewRows.of(lines)).counts()


def _sheet(named: list[NamedMember]) -> Sheet:
    rows = [member.row(place) for place, member in enumerate(named, start=1)]
    return Sheet(NOT_A_FILE, [], {}, 0, [], rows, 0, ";", "utf-8", "\n")
