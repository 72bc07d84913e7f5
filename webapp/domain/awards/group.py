"""Award a quest to up to 50 members at once, by username.

For ten minutes the person who made a group award can undo it as a whole (E-6).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlalchemy import select, update
from sqlalchemy.orm import contains_eager, joinedload

from webapp.database import db, execute_rowcount
from webapp.database.arrays import in_array
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.awards import undo as undo_rules
from webapp.domain.awards.common import award_by_hand, effective_time, validate
from webapp.domain.errors import DomainError, ErrorCollector
from webapp.domain.lookup import locking_members, require
from webapp.domain.members import username_list
from webapp.domain.normalization import fold
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.domain.webhooks import outbox
from webapp.models import Award, AwardSource, GroupAward, Member, MemberStatus, Quest, WebhookEvent

AT_MOST = 50


class TooManyRecipientsError(DomainError):
    def __init__(self, number: int) -> None:
        super().__init__("awards.too_many_recipients", "to", number=number, limit=AT_MOST)


class UnknownUsernamesError(DomainError):
    """Some usernames don't exist; nothing was awarded. `found` counts those that do."""

    def __init__(self, names: list[str], found: int) -> None:
        super().__init__("awards.usernames_not_found", "to", number=len(names))
        self.names = names
        self.found = found


@dataclass(frozen=True)
class Result:
    """What a group award did: members awarded, existing holders, and inactive members."""

    awarded: int
    held: int
    unable: list[Member] = field(default_factory=list)
    made: dict[int, int] = field(default_factory=dict)  # award IDs by member
    group_id: int | None = None  # set for group awards made in the console


def award_group(
    text: str, quest_id: int | None, reason: str, actor: Actor, *, found_only: bool = False
) -> Result:
    """Award a quest to everyone named in a text, or to no one if an error is raised (M-8, M-9, M-11).

    Unknown usernames raise UnknownUsernamesError unless `found_only`; more than 50 raise TooManyRecipientsError.
    Existing awards don't change, so repeating it awards no one.
    """
    refusals = ErrorCollector()
    with refusals:
        quest, reason = validate(quest_id, reason)
    with refusals:
        members, unknown = _named(text, found_only)
    refusals.raise_if_any()
    return _give(members, quest, reason, actor, AwardSource.GROUP, len(unknown))


def _named(text: str, found_only: bool) -> tuple[list[Member], list[str]]:
    names = username_list.parse(text)
    if not names:
        raise DomainError("awards.recipients_missing", "to")
    if len(names) > AT_MOST:
        raise TooManyRecipientsError(len(names))
    members, unknown = find(names, lock=True)
    if unknown and not (found_only and members):
        raise UnknownUsernamesError(unknown, len(members))
    return members, unknown


def award_members(
    member_ids: list[int], quest_id: int | None, reason: str, actor: Actor, *, left_out: int = 0
) -> Result:
    """Award a quest as `award_group` does, to known members; `left_out` is the number of others requested."""
    if len(member_ids) + left_out > AT_MOST:
        raise TooManyRecipientsError(len(member_ids) + left_out)
    quest, reason = validate(quest_id, reason)
    query = locking_members(select(Member).where(in_array(Member.id, member_ids)))
    members = db.session.scalars(query, execution_options={"populate_existing": True})
    return _give(list(members), quest, reason, actor, AwardSource.API, left_out)


def _give(
    members: list[Member],
    quest: Quest,
    reason: str,
    actor: Actor,
    source: AwardSource,
    left_out: int,
) -> Result:
    unable = [member for member in members if member.status != MemberStatus.ACTIVE]
    active = [member for member in members if member.status == MemberStatus.ACTIVE]
    made: dict[int, int] = {}
    group_id = None
    if active:
        lock_shared()
        at, awards = award_by_hand(active, quest, reason, source, actor)
        made = {award.member_id: award.id for award in awards}
    if made and source == AwardSource.GROUP:
        group_id = _keep_group(quest.id, made, len(active) - len(made), replace(actor, at=at))
    if made:
        audit_log.write(
            replace(actor, at=at),
            "group.awarded",
            "quest",
            quest.id,
            awarded=len(made),
            held=len(active) - len(made),
            left_out=left_out + len(unable),
        )
    return Result(len(made), len(active) - len(made), unable, made, group_id)


def _keep_group(quest_id: int, made: dict[int, int], held: int, actor: Actor) -> int:
    group = GroupAward(
        quest_id=quest_id,
        created_at=actor.at,
        created_by=actor.staff_id,
        awarded=len(made),
        already_held=held,
    )
    db.session.add(group)
    db.session.flush()
    execute_rowcount(
        update(Award).where(in_array(Award.id, sorted(made.values()))).values(group_id=group.id)
    )
    return group.id


@dataclass(frozen=True)
class Recipient:
    member: Member
    active: bool


def get(group_id: int) -> GroupAward:
    with_badge = [joinedload(GroupAward.quest).joinedload(Quest.badge)]
    return require(GroupAward, group_id, options=with_badge)


def recipients(group: GroupAward) -> list[Recipient]:
    """Return the members by username; one query. Includes awards that were revoked and restored."""
    awards = db.session.scalars(
        select(Award)
        .join(Award.member)
        .options(contains_eager(Award.member))
        .where(Award.group_id == group.id)
        .order_by(Member.username_key, Member.id)
    )
    active: dict[int, Recipient] = {}
    for award in awards:
        before = active.get(award.member_id)
        still = award.revoked_at is None or bool(before and before.active)
        active[award.member_id] = Recipient(award.member, still)
    return list(active.values())


def can_undo(group: GroupAward, actor: Actor) -> bool:
    return group.undone_at is None and undo_rules.can_undo(
        group.created_by, group.created_at, actor
    )


@dataclass(frozen=True)
class Undone:
    group: GroupAward
    revoked: int
    kept: int  # awards that were already revoked
    changed: bool


def undo(group_id: int, actor: Actor) -> Undone:
    """Revoke all awards of a group award that are still active, as one action (E-6).

    Awards that someone revoked since, or made again, don't change. Like the undo of a batch, it doesn't count as
    revoking for M-14. Idempotent.

    Raises NotFoundError, and DomainError after ten minutes and for anyone but the person who made it.
    """
    lock_shared()
    group = get(group_id)
    db.session.refresh(group, with_for_update={"of": GroupAward})
    if group.undone_at is not None and group.created_by == actor.staff_id:
        return Undone(group, 0, 0, False)
    undo_rules.validate_undo(group.created_by, group.created_at, actor, "group_undo")
    members = select(Award.member_id).where(Award.group_id == group.id)
    member_ids = list(
        db.session.scalars(locking_members(select(Member.id).where(Member.id.in_(members))))
    )
    at = effective_time(member_ids, [group.quest_id], actor)
    revoked = db.session.execute(
        update(Award)
        .where(Award.group_id == group.id, Award.revoked_at.is_(None))
        .values(
            revoked_at=at,
            updated_at=at,
            revoked_by=actor.staff_id,
            revoke_source=AwardSource.GROUP,
        )
        .returning(Award.id, Award.member_id)
        .execution_options(synchronize_session=False)
    ).all()
    group.undone_at = at
    kept = len(member_ids) - len(revoked)
    audit_log.write(
        replace(actor, at=at),
        "group.undone",
        "quest",
        group.quest_id,
        revoked=len(revoked),
        kept=kept,
    )
    if revoked:
        outbox.emit(WebhookEvent.AWARD_REVOKED, sorted(award_id for award_id, _ in revoked), at)
        candidates.note_revoked_by_undo(group.quest_id, [member_id for _, member_id in revoked], at)
    return Undone(group, len(revoked), kept, True)


def find(names: list[str], *, lock: bool = False) -> tuple[list[Member], list[str]]:
    """Return the members with these usernames, ordered by ID, and the unknown usernames; one query."""
    keys = {fold(name): name for name in names}
    query = select(Member).where(in_array(Member.username_key, list(keys))).order_by(Member.id)
    if lock:
        query = locking_members(query.order_by(None))
    members = list(db.session.scalars(query, execution_options={"populate_existing": True}))
    known = {member.username_key for member in members}
    return members, [name for key, name in keys.items() if key not in known]
