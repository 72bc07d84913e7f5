"""One quest for up to 50 members at once, named by their usernames; for more of them, a batch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlalchemy import select

from webapp.database import db
from webapp.database.given import among
from webapp.domain import batches, outbox, record, usernames
from webapp.domain.act import Act
from webapp.domain.awarding import checked, checked_reason, give, moment
from webapp.domain.batches import Heading
from webapp.domain.keys import fold
from webapp.domain.names import made_of
from webapp.domain.refusals import Refusals, Refused
from webapp.models import Member, MemberStatus, Quest, Told

AT_MOST = 50


class TooMany(Refused):
    """More names than one group award takes; a batch takes them."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"Up to {AT_MOST} members can be awarded at once; these are {number:,}.", "to"
        )


class Unknown(Refused):
    """Names that nobody has; nothing was awarded. `found` is how many of the others there are."""

    def __init__(self, names: list[str], found: int) -> None:
        super().__init__(
            "This username does not exist. Nothing was awarded yet."
            if len(names) == 1
            else f"These {len(names)} usernames do not exist. Nothing was awarded yet.",
            "to",
        )
        self.names = names
        self.found = found


@dataclass(frozen=True)
class Result:
    """What a group award did: members awarded, who held the quest already, and who is not active."""

    awarded: int
    held: int
    unable: list[Member] = field(default_factory=list)
    made: dict[int, int] = field(default_factory=dict)  # the new awards' ids, by member


def award_group(
    text: str, quest_id: int | None, reason: str, act: Act, *, found_only: bool = False
) -> Result:
    """Awards a quest to everybody named in a text, all or, where it is refused, none (M-8, M-9, M-11).

    Names that nobody has raise Unknown, unless only those found are wanted; more than 50 raise TooMany. Who holds the
    quest already keeps it as it is, so the same said again awards nobody.
    """
    refusals = Refusals()
    with refusals:
        quest, reason = checked(quest_id, reason)
    with refusals:
        members, unknown = _named(text, found_only)
    refusals.settle()
    return _give(members, quest, reason, act, "group", len(unknown))


def _named(text: str, found_only: bool) -> tuple[list[Member], list[str]]:
    """The members named in a text, locked, and the names that nobody has; raises as `award_group`."""
    names = usernames.parse(text)
    if not names:
        raise Refused("Name at least one member.", "to")
    if len(names) > AT_MOST:
        raise TooMany(len(names))
    members, unknown = find(names, lock=True)
    if unknown and not (found_only and members):
        raise Unknown(unknown, len(members))
    return members, unknown


def award_members(
    member_ids: list[int], quest_id: int | None, reason: str, act: Act, *, left_out: int = 0
) -> Result:
    """As `award_group`, for members who were found already; `left_out` is how many others were asked for."""
    if len(member_ids) + left_out > AT_MOST:
        raise TooMany(len(member_ids) + left_out)
    quest, reason = checked(quest_id, reason)
    wanted = select(Member).where(among(Member.id, member_ids)).order_by(Member.id)
    members = db.session.scalars(
        wanted.with_for_update(key_share=True), execution_options={"populate_existing": True}
    )
    return _give(list(members), quest, reason, act, "api", left_out)


def _give(
    members: list[Member], quest: Quest, reason: str, act: Act, way: str, left_out: int
) -> Result:
    unable = [member for member in members if member.status != MemberStatus.ACTIVE]
    active = [member.id for member in members if member.status == MemberStatus.ACTIVE]
    made: dict[int, int] = {}
    if active:
        at = moment(active, quest.id, act)
        made = give(active, quest.id, reason, way, at, act)
    if made:
        outbox.tell(Told.AWARD_CREATED, list(made.values()), at)
        record.write(
            replace(act, at=at),
            "group.awarded",
            "quest",
            quest.id,
            awarded=len(made),
            held=len(active) - len(made),
            left_out=left_out + len(unable),
        )
    return Result(len(made), len(active) - len(made), unable, made)


def find(names: list[str], *, lock: bool = False) -> tuple[list[Member], list[str]]:
    """The members with these usernames, in the order of their ids, and the names that nobody has; one query."""
    keys = {fold(name): name for name in names}
    wanted = select(Member).where(among(Member.username_key, list(keys))).order_by(Member.id)
    if lock:
        wanted = wanted.with_for_update(key_share=True)
    members = list(db.session.scalars(wanted, execution_options={"populate_existing": True}))
    known = {member.username_key for member in members}
    return members, [name for key, name in keys.items() if key not in known]


def continue_as_batch(
    text: str, quest_id: int | None, reason: str, limit: int, act: Act
) -> tuple[int, list[str]]:
    """Opens a draft with these members, this quest and the reason as its name; returns its id and the unknown names.

    Each call makes one. Raises Refused for more than `limit` names, or where none of them is anybody's (M-10).
    """
    names = usernames.parse(text)
    if not names:
        raise Refused("Name at least one member.", "to")
    if len(names) > limit:
        raise Refused(
            f"A batch can have up to {limit:,} members; these are {len(names):,}. "
            "Split them into several batches.",
            "to",
        )
    members, unknown = find(names)
    if not members:
        raise Refused("None of these usernames exists.", "to")
    name = made_of(checked_reason(reason))
    batch = batches.create(Heading(name, quest_id), act)
    added = batches.add_members(batch.id, [member.id for member in members], limit, act)
    record.write(act, "batch.continued", "batch", batch.id, added=added, left_out=len(unknown))
    return batch.id, unknown
