"""Rows of an import beside the members there are: what to create, what to change, what clashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import String, bindparam, cast, delete, func, literal, select, update

from webapp.database import db, dialect_name, execute_rowcount
from webapp.database.arrays import in_array
from webapp.database.bulk import insert_many, reserve
from webapp.domain.actor import Actor
from webapp.domain.audit_log import events as audit_log
from webapp.domain.csv_files import shown
from webapp.domain.dates import ParsedMoment
from webapp.domain.imports.key_claims import Claims
from webapp.domain.normalization import fold, name_words
from webapp.domain.rules import candidates
from webapp.domain.rules.locking import lock_shared
from webapp.models import Member, MemberStatus, MemberWord

USERNAME_LENGTH = 190


class RowError(NamedTuple):
    """What is wrong with a row, in a sentence, and in which field of Incoming; "" is the row as a whole."""

    field: str
    sentence: str
    lost: bool = False
    """Of a warning: whether the row is imported without what this field says."""


class ImportRow(NamedTuple):
    """A row to import: texts as they came; "" says nothing and leaves what there is."""

    line: int
    external_id: str
    username: str = ""
    email: str = ""
    name: str = ""
    problem: str = ""  # why it can't be read, if it can't
    joined: str = ""  # a day or a moment
    status: str = ""
    warnings: tuple[RowError, ...] = ()


class Sound(NamedTuple):
    """A row that was looked at: what of it can be kept, its keys, and the warnings for what can't."""

    line: int
    external_id: str
    username: str = ""
    username_key: str = ""
    email: str = ""
    email_key: str = ""
    name: str = ""
    joined: ParsedMoment | None = None
    status: MemberStatus | None = None
    warnings: tuple[RowError, ...] = ()
    doubts: tuple[RowError, ...] = ()
    """Why no member may be created from this row, or renamed by its username."""
    hints: tuple[RowError, ...] = ()
    """What to look at if a member is created by this row, or renamed by its username."""


@dataclass
class ExistingMember:
    """A member as far as an import is concerned; `id` None: one that is to be created."""

    id: int | None
    external_id: str
    username: str
    username_key: str
    email: str
    email_key: str
    name: str
    joined_at: datetime | None
    status: str


@dataclass(frozen=True)
class Change:
    """What a row did: the member as they were (None: there was none) and as they are."""

    line: int
    before: ExistingMember | None
    after: ExistingMember


@dataclass
class Plan:
    """What to do with a chunk of rows: changes, how many change nothing, what is wrong with the others, by line."""

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    problems: dict[int, list[RowError]] = field(default_factory=dict)
    warnings: dict[int, list[RowError]] = field(default_factory=dict)  # of the other rows
    outcomes: dict[int, str] = field(default_factory=dict)  # of the other rows, by line
    postponed: set[int] = field(default_factory=set)  # lines to be looked at after the last row
    renamed: list[Change] = field(default_factory=list)  # members without a row, who have left

    @property
    def status_changes(self) -> list[Change]:
        """The members who were something else before."""
        return [one for one in self.changes if one.before and one.before.status != one.after.status]


@dataclass
class DryRunState:
    """What a dry run has done without doing it: who holds which key now, by its hash, for the rows to come."""

    holders: dict[int, int] = field(default_factory=dict)
    former: dict[str, ExistingMember] = field(
        default_factory=dict
    )  # members who would have lost their username

    FREE, HELD, LEFT = 0, 1, 2  # LEFT: by a member who has left

    def note(self, plan: Plan) -> None:
        """Add what a chunk would have done."""
        changes = [one for one in (*plan.changes, *plan.renamed) if _moves(one)]
        for change in changes:
            for label, key in KEYS:
                if change.before and (old := getattr(change.before, key)):
                    self.holders[hash((label, old))] = self.FREE
        for change in changes:
            left = change.after.status == MemberStatus.LEFT
            for label, key in KEYS:
                if new := getattr(change.after, key):
                    self.holders[hash((label, new))] = self.LEFT if left else self.HELD
        self.former |= {change.after.external_id: change.after for change in plan.renamed}


def _moves(change: Change) -> bool:
    """Whether a change is about who holds a username or an email, and whether they have left."""
    before, after = change.before, change.after
    return (
        before is None
        or before.status != after.status
        or any(getattr(before, key) != getattr(after, key) for _, key in KEYS)
    )


NAMELESS = RowError("username", "There is no member with this ID; a new one needs a username.")
ERASED = RowError("external_id", "This member was erased meanwhile.")
KEYS = (("username", "username_key"), ("email", "email_key"))
EARLIER = ""
"""In place of an ID: the holder of a key that an earlier row of a dry run would have taken."""

Postpone = Callable[[str], bool]
"""Whether a later row may still change the member with this ID, so that it is too early to decide."""


def write(rows: list[Sound], actor: Actor, postpone: Postpone | None, *, strict: bool) -> Plan:
    """Create and update the members of a chunk of rows with a fixed number of statements; return what it did.

    Raises IntegrityError if somebody else takes a username or email at the same moment.
    """
    lock_shared()
    made = plan(rows, None, postpone, strict=strict)
    changed = _changed(made)
    if changed:
        there = _lock([change.after.id or 0 for change in changed])
        erased = [change.line for change in changed if change.after.id not in there]
        if erased or dialect_name() == "postgresql":
            # Again, by what they are now that nobody else changes them.
            made = plan(
                [row for row in rows if row.line not in erased], None, postpone, strict=strict
            )
            made.problems |= {line: [ERASED] for line in erased}
            changed = _changed(made)
    created = [change.after for change in made.changes if not change.before]
    _release(changed, created)
    _update(changed, actor)
    if created:
        ids = reserve(Member, len(created))
        for member, member_id in zip(created, ids, strict=True):
            member.id = member_id
        insert_many(Member, [_new_row(member, actor) for member in created])
    renamed = [one.after for one in changed if one.before and one.before.name != one.after.name]
    if renamed:
        ids = [member.id for member in renamed if member.id]
        execute_rowcount(delete(MemberWord).where(in_array(MemberWord.member_id, ids)))
    insert_many(MemberWord, [row for member in [*created, *renamed] for row in word_rows(member)])
    _tell(made, created, actor)
    return made


def _changed(made: Plan) -> list[Change]:
    return [change for change in [*made.changes, *made.renamed] if change.before]


def _tell(made: Plan, created: list[ExistingMember], actor: Actor) -> None:
    """Note what rules and the audit log need to know of the members that were written."""
    updated = [change.after for change in made.changes if change.before]
    candidates.note_new_members([one.id for one in (*created, *updated) if one.id], actor.at)
    moved = made.status_changes
    returned = [one.after.id for one in moved if one.after.status == MemberStatus.ACTIVE]
    candidates.note_reactivated([member_id for member_id in returned if member_id], actor.at)
    audit_log.write_many(
        actor,
        "member.status_changed",
        "member",
        [
            (
                one.after.id,
                {
                    "was": MemberStatus(one.before.status).label if one.before else "",
                    "now": MemberStatus(one.after.status).label,
                },
            )
            for one in moved
        ],
    )


def word_rows(member: ExistingMember | Member) -> list[dict[str, Any]]:
    """The rows of `MemberWord` for a member's name."""
    return [{"word": word, "member_id": member.id} for word in name_words(member.name)]


def _lock(member_ids: list[int]) -> set[int]:
    """Locks members in the order of their ids, as all do who lock many; those who are not erased meanwhile."""
    rows = select(Member.id, Member.status).where(in_array(Member.id, member_ids))
    locked = db.session.execute(rows.order_by(Member.id).with_for_update(key_share=True))
    return {member_id for member_id, status in locked if status != MemberStatus.ERASED}


def _release(changed: list[Change], created: list[ExistingMember]) -> None:
    """Take usernames and emails that pass from one member to another away from the first; one statement.

    So that at no moment two members have one, in whatever order they are written.
    """
    taken: set[tuple[str, str]] = set()
    for before, after in [
        *((one.before, one.after) for one in changed),
        *((None, one) for one in created),
    ]:
        for label, key in KEYS:
            new = getattr(after, key)
            if new and (before is None or getattr(before, key) != new):
                taken.add((label, new))
    ids = [
        one.before.id
        for one in changed
        if one.before and any((label, getattr(one.before, key)) in taken for label, key in KEYS)
    ]
    if ids:
        apart = literal(" ", String) + cast(Member.id, String)  # no key begins with a space
        released = update(Member).where(in_array(Member.id, sorted(filter(None, ids))))
        execute_rowcount(released.values(username_key=apart, email_key=None))


def _update(changed: list[Change], actor: Actor) -> None:
    if not changed:
        return
    values = (
        "username",
        "username_key",
        "email",
        "email_key",
        "name",
        "status",
        "joined_at",
        "updated_at",
    )
    db.session.connection().execute(
        update(Member)
        .where(Member.id == bindparam("member_id"))
        .values({value: bindparam(f"new_{value}") for value in values}),
        [
            {"member_id": one.after.id, **{f"new_{value}": row[value] for value in values}}
            for one in changed
            for row in [_columns(one.after, actor)]
        ],
    )


def plan(
    rows: list[Sound],
    imagined: DryRunState | None = None,
    postpone: Postpone | None = None,
    *,
    strict: bool = False,
) -> Plan:
    """Judge the rows by what they come to together, so that members can swap usernames; writes nothing.

    `imagined` is what earlier rows of a dry run would have done. With `strict` an email that can't be had is a
    problem, not a warning. Three queries, and one more if a member who has left gives up a username.
    """
    return _Planner(rows, imagined, postpone, strict).plan()


class _Planner:
    """One chunk of rows beside the members whom it touches, both by ID."""

    def __init__(
        self,
        rows: list[Sound],
        imagined: DryRunState | None,
        postpone: Postpone | None,
        strict: bool,
    ) -> None:
        self.rows = rows
        self.imagined = imagined
        self.postpone = postpone
        self.strict = strict
        self.made = Plan()
        self.known = _known(rows)
        if imagined is not None:
            self.known |= {key: one for key, one in imagined.former.items() if key in self.known}
        self.wanted: dict[str, ExistingMember] = {}
        self.usernames, self.emails = (Claims(self._held(*one)) for one in KEYS)
        self.put_off: set[str] = set()
        self.former: dict[str, str] = {}  # who is to lose their username, and whose row takes it

    def plan(self) -> Plan:
        for row in self.rows:
            member = self.known.get(row.external_id)
            if faults := self._faults(row, member):
                self.made.problems[row.line] = faults
            else:
                wanted = _merged(row, member)
                self.wanted[row.external_id] = wanted
                new, renamed = member is None, member and member.username != wanted.username
                self.made.warnings[row.line] = [
                    *row.warnings,
                    *(one for one in row.hints if new or (renamed and one.field == "username")),
                ]
        self.lines = {
            row.external_id: row.line for row in self.rows if row.external_id in self.wanted
        }
        self._postpone_emails()
        self._settle_usernames()
        self._settle_emails()
        self._name_former()
        self._compare()
        return self.made

    def _held(self, label: str, key: str) -> dict[str, str]:
        """Who holds each key of a kind, of those whom the chunk touches."""
        held = {getattr(one, key): who for who, one in self.known.items() if getattr(one, key)}
        if self.imagined is None:
            return held
        for wanted in {getattr(row, key) for row in self.rows} - {""}:
            now = self.imagined.holders.get(hash((label, wanted)))
            if now == DryRunState.FREE:
                held.pop(wanted, None)
            elif now is not None:
                held[wanted] = EARLIER
        return held

    def _faults(self, row: Sound, member: ExistingMember | None) -> list[RowError]:
        """What is wrong with a row whoever else wants what."""
        found = []
        if member is None and not row.username_key:
            found.append(NAMELESS)
            holder = self.emails.held.get(row.email_key)
            if self.strict and holder is not None:
                found.append(self._taken("email", row.email, holder))
        return [*found, *row.doubts] if member is None else found

    def _postpone_emails(self) -> None:
        """Put rows off whose email a later row may free."""
        if self.postpone is None:
            return
        for row in self.rows:
            if row.external_id in self.wanted and row.email_key:
                holder = self.emails.held.get(row.email_key, row.external_id)
                if (
                    holder not in (row.external_id, EARLIER)
                    and holder not in self.wanted
                    and self.postpone(holder)
                ):
                    self._put_off(row.external_id)

    def _put_off(self, who: str) -> None:
        self.made.postponed.add(self.lines[who])
        self.put_off.add(who)
        self._drop(who)

    def _drop(self, who: str) -> None:
        del self.wanted[who]
        self.made.warnings.pop(self.lines[who], None)

    def _settle_usernames(self) -> None:
        """Grant usernames: free ones, swaps, those of members who have left; other rows are refused or put off."""
        claims = self.usernames
        for who, wanted in list(self.wanted.items()):
            member = self.known.get(who)
            old = member.username_key if member else ""
            if old != wanted.username_key:
                claims.claim(who, old, wanted.username_key)
        claims.grant_circles()
        while self._take_from_who_left() or self._leave_without() or self._leave_without(late=True):
            pass
        self._refuse_the_rest()

    def _take_from_who_left(self) -> bool:
        """Give usernames of members who have left to those who are still there; says whether there was one."""
        taken = False
        for who in list(self.usernames.open):
            if who in self.usernames.open and not self._stays_away(who):
                key = self.usernames.open[who][1]
                holder = self.usernames.held[key]
                if self._has_left(holder, key) and not self._may_change(holder):
                    self._take_from(holder, who)
                    taken = True
        return taken

    def _leave_without(self, *, late: bool = False) -> bool:
        """Leave members who have left without a username that somebody else keeps; says whether there was one.

        First those whose holder claims nothing; `late` those too whose holder waits for nothing that will be free.
        """
        claims, left = self.usernames, False
        early = self._undecided()
        waiting: dict[str, list[str]] = {}  # holder to those who want their username
        for who, (_, key) in claims.open.items():
            waiting.setdefault(claims.held[key], []).append(who)
        stack = list(claims.open)
        while stack:
            who = stack.pop()
            if who not in claims.open or early[who] or not self._stays_away(who):
                continue
            holder = claims.held[claims.open[who][1]]
            if late or holder not in claims.open:
                self._keep_former(who, holder)
                left = True
                stack += waiting.get(who, [])
        return left

    def _stays_away(self, who: str) -> bool:
        return self.wanted[who].status == MemberStatus.LEFT

    def _undecided(self) -> dict[str, bool]:
        """Who waits for a username, and whether a later row may still free it."""
        claims = self.usernames
        early: dict[str, bool] = {}
        for first in claims.open:
            path, who = [], first
            while who in claims.open and who not in early:
                path.append(who)
                early[who] = False
                who = claims.held[claims.open[who][1]]
            found = early[who] if who in claims.open else self._may_change(who)
            early |= dict.fromkeys(path, found)
        return early

    def _refuse_the_rest(self) -> None:
        """Refuse the rows whose username somebody keeps, or put them off if that may still change."""
        claims = self.usernames
        for who, early in self._undecided().items():
            holder = claims.held[claims.open[who][1]]
            claims.withdraw(who)
            if early:
                self._put_off(who)
                continue
            wanted, member = self.wanted[who], self.known.get(who)
            faults = [self._taken("username", wanted.username, holder)]
            other = self.emails.held.get(wanted.email_key)
            if self.strict and other is not None and not (member and other == who):
                faults.append(self._taken("email", wanted.email, other))
            self.made.problems[self.lines[who]] = faults
            self._drop(who)

    def _may_change(self, holder: str) -> bool:
        """Whether a row that is put off, or is still to come, may change a member."""
        if self.postpone is None or holder == EARLIER:
            return False
        return holder in self.put_off or (holder not in self.wanted and self.postpone(holder))

    def _has_left(self, holder: str, key: str) -> bool:
        """Whether the holder of a username is somebody who has left, by the end of the file as far as it is known."""
        if holder == EARLIER:
            state = self.imagined.holders.get(hash(("username", key))) if self.imagined else None
            return state == DryRunState.LEFT
        if holder in self.usernames.open:
            return False
        return (self.wanted.get(holder) or self.known[holder]).status == MemberStatus.LEFT

    def _keep_former(self, who: str, holder: str) -> None:
        """Leave a member who has left as they are called, or if they are new, with a marked username."""
        wanted, member = self.wanted[who], self.known.get(who)
        self.usernames.withdraw(who)
        fault = self._taken("username", wanted.username, holder)
        if member is not None:
            wanted.username, wanted.username_key = member.username, member.username_key
            fault = fault._replace(
                sentence=f"{fault.sentence} This member has left and stays {shown(member.username)}.",
            )
            self.made.warnings[self.lines[who]].append(fault)
        else:
            self.former[who] = who

    def _take_from(self, holder: str, who: str) -> None:
        """Give the username of a member who has left to somebody else."""
        if holder != EARLIER:
            self.former[holder] = who
        else:
            name = shown(self.wanted[who].username)
            said = f"The username {name} is that of an earlier row, of a member who has left."
            self.made.warnings[self.lines[who]].append(RowError("username", said))
        self.usernames.grant(who)

    def _settle_emails(self) -> None:
        """Grant emails; a row whose email somebody keeps is taken without it."""
        claims = self.emails
        for who, wanted in self.wanted.items():
            member = self.known.get(who)
            old = member.email_key if member else ""
            if wanted.email_key and old != wanted.email_key:
                claims.claim(who, old, wanted.email_key)
        claims.grant_circles()
        for who, (_, key) in list(claims.open.items()):
            wanted, member = self.wanted[who], self.known.get(who)
            fault = self._taken("email", wanted.email, claims.held[key])
            if self.strict:
                self.made.problems[self.lines[who]] = [fault]
                self._drop(who)
                continue
            sentence = fault.sentence.removesuffix(".") + ", so it is not imported."
            self.made.warnings[self.lines[who]].append(RowError("email", sentence, lost=True))
            wanted.email = member.email if member else ""
            wanted.email_key = member.email_key if member else ""

    def _taken(self, label: str, text: str, holder: str) -> RowError:
        other = f"belongs to another member (ID {shown(holder)})"
        whose = "is that of an earlier row" if holder == EARLIER else other
        return RowError(label, f"The {label} {shown(text)} {whose}.")

    def _name_former(self) -> None:
        """Mark the former usernames of members who have left, and say so at the rows that took them."""
        if not self.former:
            return
        marked = {who: _former(self.wanted.get(who) or self.known[who]) for who in self.former}
        keys = sorted({fold(name) for name in marked.values()})
        used = set(
            db.session.scalars(
                select(Member.username_key).where(in_array(Member.username_key, keys))
            )
        )
        used |= {one.username_key for one in self.wanted.values()}
        for who, taker in self.former.items():
            member = self.wanted.get(who) or self.known[who]
            name = marked[who]
            if fold(name) in used:
                name = _former(member, uuid4().hex[:8])
            after = replace(member, username=name, username_key=fold(name))
            if who == taker:
                holder = self.usernames.held[member.username_key]
                said = f"{self._taken('username', member.username, holder).sentence} This member has left"
                said += f" and is called “{shown(name, 80)}”."
            else:
                said = f"The username {shown(member.username)} was that of a member who has left (ID {shown(who)}),"
                said += f" who is now called “{shown(name, 80)}”."
            if who in self.wanted:
                self.wanted[who] = after
            else:
                line = self.lines[taker]
                self.made.renamed.append(Change(line, member, after))
            self.made.warnings[self.lines[taker]].append(RowError("username", said))

    def _compare(self) -> None:
        """Say of each row that is taken what it changes."""
        for who, wanted in self.wanted.items():
            line, member = self.lines[who], self.known.get(who)
            if wanted == member:
                self.made.unchanged += 1
                self.made.outcomes[line] = "unchanged"
                continue
            self.made.changes.append(Change(line, member, wanted))
            self.made.outcomes[line] = "updated" if member else "created"
        self.made.warnings = {line: said for line, said in self.made.warnings.items() if said}


def _former(member: ExistingMember, more: str = "") -> str:
    """A username that marks a member who has left as the former holder of theirs."""
    told = f" (former {', '.join(filter(None, (member.external_id, more)))})"
    if len(told) > USERNAME_LENGTH // 2:
        told = f" (former {more or uuid4().hex[:8]})"
    return member.username[: USERNAME_LENGTH - len(told)] + told


def _known(rows: list[Sound]) -> dict[str, ExistingMember]:
    """The members whom any of the rows touches, by ID; three queries."""
    columns = (
        Member.id,
        Member.external_id,
        Member.username,
        Member.username_key,
        func.coalesce(Member.email, ""),
        func.coalesce(Member.email_key, ""),
        Member.name,
        Member.joined_at,
        Member.status,
    )
    known: dict[str, ExistingMember] = {}
    for column, wanted in (
        (Member.external_id, {row.external_id for row in rows}),
        (Member.username_key, {row.username_key for row in rows if row.username_key}),
        (Member.email_key, {row.email_key for row in rows if row.email_key}),
    ):
        if wanted:
            found = db.session.execute(select(*columns).where(in_array(column, sorted(wanted))))
            known.update((row[1], ExistingMember(*row)) for row in found)
    return known


def _merged(row: Sound, member: ExistingMember | None) -> ExistingMember:
    if member is None:
        at = row.joined.at if row.joined else None
        names = row.username, row.username_key, row.email, row.email_key, row.name
        return ExistingMember(
            None, row.external_id, *names, at, str(row.status or MemberStatus.ACTIVE)
        )
    joined = row.joined
    doubtful = any(doubt.field == "username" for doubt in row.doubts)
    renamed = row.username not in ("", member.username) and not doubtful
    return ExistingMember(
        member.id,
        member.external_id,
        row.username if renamed else member.username,
        row.username_key if renamed else member.username_key,
        row.email or member.email,
        row.email_key or member.email_key,
        row.name or member.name,
        joined.at if joined and not joined.names(member.joined_at) else member.joined_at,
        str(row.status or member.status),
    )


def _columns(member: ExistingMember, actor: Actor) -> dict[str, Any]:
    return {
        "external_id": member.external_id,
        "username": member.username,
        "username_key": member.username_key,
        "email": member.email or None,
        "email_key": member.email_key or None,
        "name": member.name,
        "status": str(member.status),
        "joined_at": member.joined_at or actor.at,
        "updated_at": actor.at,
    }


def _new_row(member: ExistingMember, actor: Actor) -> dict[str, Any]:
    return {"id": member.id, **_columns(member, actor)}
