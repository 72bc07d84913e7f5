"""Award many badges at once, each with its own member, quest, reason and date (A-10, A-16).

A bad item affects only itself, and repeating a call changes nothing. The number of statements doesn't depend on the
number of items. Members are locked in the order of their IDs, and awards are inserted in the same order, so concurrent
calls wait for each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Select, Text, and_, select

from webapp.database import Id, UtcDateTime, db
from webapp.database.arrays import in_array, json_rows
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.awards.common import make_awards, validate_reason, validate_recipient
from webapp.domain.badges import quests as badge_quests
from webapp.domain.csv_files import Row, shown
from webapp.domain.dates import ParsedMoment, parse_moment
from webapp.domain.errors import DomainError
from webapp.domain.lookup import locking_members
from webapp.domain.members import identify as member_identify
from webapp.domain.members.identify import MatchedRow
from webapp.domain.rules.locking import lock_shared
from webapp.messages import Message, message
from webapp.models import Award, AwardSource, Member, MemberStatus

AT_MOST = 500  # items of a request
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # earlier dates are mistakes, such as a Unix time of 0
CLOCK_SKEW = timedelta(minutes=5)  # by which another system's clock may be ahead
EASTERNMOST = timedelta(hours=14)  # by which a day begins earlier than in UTC
NOON = timedelta(hours=12)  # in UTC, it's the same day almost everywhere

Pair = tuple[int, int]  # member and quest


class Status(StrEnum):
    """The result for an item. MERGED: an earlier item is about the same award. NOT_HELD: and it never was."""

    AWARDED = "awarded"
    ALREADY_HELD = "already_held"
    REVOKED = "revoked"
    ALREADY_REVOKED = "already_revoked"
    NOT_HELD = "not_held"
    MERGED = "merged"
    ERROR = "error"


class AwardItem(NamedTuple):
    """An award to make. `problems` are reasons against it that the caller has found, as for a missing quest."""

    member: Row
    quest_id: int | None
    reason: str = ""
    at: ParsedMoment | None = None  # by default, now
    problems: tuple[Message, ...] = ()


@dataclass
class Outcome:
    """The result for an item, with the award that it is about, if any."""

    status: Status = Status.ERROR
    award_id: int | None = None
    member: Member | None = None
    problems: list[Message] = field(default_factory=list)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep the errors of a check as problems."""
        try:
            yield
        except DomainError as error:
            self.problems.append(error.text)


@dataclass
class Wanted:
    """Valid items about the same award: the first one, its checked reason, and the outcomes of all of them."""

    outcome: Outcome
    reason: str
    at: datetime | None = None
    given: ParsedMoment | None = None
    later: list[Outcome] = field(default_factory=list)

    def settle(self, status: Status, award_id: int | None = None) -> None:
        self.outcome.status, self.outcome.award_id = status, award_id
        for outcome in self.later:
            outcome.status, outcome.award_id = Status.MERGED, award_id


class Existing(NamedTuple):
    """An award that an item may be about, revoked or not."""

    id: int
    member_id: int
    quest_id: int
    source: str
    awarded_at: datetime
    restored_at: datetime | None
    revoked_at: datetime | None

    @property
    def pair(self) -> Pair:
        return self.member_id, self.quest_id


COLUMNS = tuple(getattr(Award, name) for name in Existing._fields)


def award(items: Sequence[AwardItem], actor: Actor) -> list[Outcome]:
    """Award quests to members for another system, as `award_items` does, and record it as one action."""
    outcomes = award_items(items, actor, AwardSource.API)
    counts = count(outcomes)
    if counts[Status.AWARDED]:
        audit_log.write(
            actor,
            "bulk.awarded",
            "awards",
            awarded=counts[Status.AWARDED],
            held=counts[Status.ALREADY_HELD],
            left_out=counts[Status.ALREADY_REVOKED] + counts[Status.ERROR],
        )
    return outcomes


def count(outcomes: Iterable[Outcome]) -> Counter[Status]:
    return Counter(outcome.status for outcome in outcomes)


def award_items(
    items: Sequence[AwardItem],
    actor: Actor,
    source: AwardSource,
    *,
    webhooks: bool = True,
    dry_run: bool = False,
) -> list[Outcome]:
    """Award quests to members; return the result for each, in order. Idempotent.

    Awards that are held don't change. A revoked award with the item's date isn't made again, nor is an imported one by
    an import without dates: otherwise, repeating a call would undo what happened since. `dry_run` only reads.
    """
    if not dry_run:
        lock_shared()
    outcomes, wanted = _check(items, actor.at, lock=not dry_run)
    past = awards_of(wanted)
    new = dict(sorted(wanted.items()))
    for award in past:
        one = wanted[award.pair]
        if award.revoked_at is None:
            one.settle(Status.ALREADY_HELD, award.id)
            new.pop(award.pair, None)
        elif award.pair in new and _repeats(one.given, award, source):
            one.settle(Status.ALREADY_REVOKED, award.id)
            del new[award.pair]
    for one in new.values():
        one.settle(Status.AWARDED)
    if new and not dry_run:
        _make(new, source, time_after_changes(past, actor), actor, webhooks)
    return outcomes


def members_of(
    lines: Iterable[MatchedRow], also: Iterable[int] = (), *, lock: bool = True
) -> dict[int, Member]:
    """Return the members of the rows, and also those with these IDs, by ID and locked; erased ones are left out."""
    ids = sorted({*also, *(line.member_id for line in lines if line.member_id is not None)})
    query = select(Member).where(in_array(Member.id, ids), Member.status != MemberStatus.ERASED)
    members = db.session.scalars(
        locking_members(query) if lock else query, execution_options={"populate_existing": True}
    )
    return {member.id: member for member in members}


def awards_of(pairs: Iterable[Pair]) -> list[Existing]:
    """Return all awards of these members and quests, oldest first; one query."""
    rows = [{"member": member, "quest": quest} for member, quest in sorted(pairs)]
    listed = json_rows(rows, member=Id, quest=Id)
    # `+ 0` as in `Award.is_active`
    same = and_(Award.member_id == listed.c.member, Award.quest_id + 0 == listed.c.quest)
    return read_awards(select(*COLUMNS).join(listed, same))


def read_awards(query: Select[Any]) -> list[Existing]:
    return [Existing(*row) for row in db.session.execute(query.order_by(Award.id))]


def require_member(line: MatchedRow, members: Mapping[int, Member]) -> Member:
    """Return a row's member. Raises DomainError with the message of a file's preview (B-14)."""
    member = members.get(line.member_id or 0)
    if member is None:
        problem = line.message if line.member_id is None else None
        problem = problem or Message("rows.not_found")
        raise DomainError(problem.code, "member", **problem.values)
    return member


def time_after_changes(awards: Iterable[Existing], actor: Actor) -> datetime:
    """Return the action's time, moved after the last change of these awards if this machine's clock is slow."""
    times = [(award.awarded_at, award.restored_at, award.revoked_at) for award in awards]
    return max([actor.at, *(at for triple in times for at in triple if at is not None)])


def date_in(text: str | None) -> tuple[ParsedMoment | None, tuple[Message, ...]]:
    """Return the date in a text, and why it is none, as an `AwardItem` holds them."""
    at = parse_moment(text) if text is not None else None
    if text is None or at is not None:
        return at, ()
    return None, (message("awards.date_invalid", date=shown(text)),)


def validate_date(given: ParsedMoment | None, now: datetime) -> datetime | None:
    """Return an award's date; None means now. Raises DomainError if it is in the future or implausibly old."""
    if given is None:
        return None
    ahead = EASTERNMOST if given.whole_day else CLOCK_SKEW
    if given.at > now + ahead:
        raise DomainError("awards.date_in_future", "awarded_at")
    if given.at < EARLIEST:
        raise DomainError("awards.date_too_old", "awarded_at", year=str(EARLIEST.year))
    return min(given.at + NOON if given.whole_day else given.at, now)


def _check(
    items: Sequence[AwardItem], now: datetime, *, lock: bool
) -> tuple[list[Outcome], dict[Pair, Wanted]]:
    """Check each item; return their outcomes, errors at first, and the valid ones by pair."""
    lines = member_identify.identify([item.member for item in items])
    members = members_of(lines, lock=lock)
    quests = badge_quests.by_id({item.quest_id for item in items if item.quest_id is not None})
    outcomes, wanted = [], dict[Pair, Wanted]()
    for item, line in zip(items, lines, strict=True):
        outcomes.append(outcome := Outcome(problems=list(item.problems)))
        with outcome.collecting():
            if item.quest_id is not None:
                quest = badge_quests.require_open(quests.get(item.quest_id))
        with outcome.collecting():
            member = outcome.member = require_member(line, members)
            validate_recipient(member)
        with outcome.collecting():
            reason = validate_reason(item.reason)
        with outcome.collecting():
            at = validate_date(item.at, now)
        if outcome.problems:
            continue
        pair = member.id, quest.id
        if pair in wanted:
            wanted[pair].later.append(outcome)
        else:
            wanted[pair] = Wanted(outcome, reason, at, item.at)
    return outcomes, wanted


def _repeats(given: ParsedMoment | None, award: Existing, source: AwardSource) -> bool:
    """True if an item is about this revoked award."""
    if given is not None:
        return given.names(award.awarded_at)
    return award.source == source == AwardSource.IMPORT


def _make(
    new: Mapping[Pair, Wanted], source: AwardSource, at: datetime, actor: Actor, webhooks: bool
) -> None:
    """Make the awards. A pair that a batch has awarded in the meantime, because it doesn't lock members, is held."""
    rows = [
        {"member": member, "quest": quest, "at": one.at or at, "reason": one.reason}
        for (member, quest), one in new.items()
    ]
    listed = json_rows(rows, member=Id, quest=Id, at=UtcDateTime(), reason=Text()).c
    made = make_awards(
        select(listed.member).order_by(listed.member, listed.quest),
        at,
        webhooks=webhooks,
        quest_id=listed.quest,
        source=source,
        awarded_at=listed.at,
        awarded_by=actor.staff_id,
        awarded_key=actor.key_id,
        reason=listed.reason,
    )
    ids = {(award.member_id, award.quest_id): award.id for award in made}
    for pair in new.keys() & ids.keys():
        new[pair].settle(Status.AWARDED, ids[pair])
    if others := new.keys() - ids.keys():
        for award in awards_of(others):
            new[award.pair].settle(Status.ALREADY_HELD, award.id)
