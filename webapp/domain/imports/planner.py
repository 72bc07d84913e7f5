"""Compare rows with existing members: decide what to create, change, reject or postpone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select

from webapp.database import db
from webapp.database.arrays import in_array
from webapp.domain.csv_files import shown
from webapp.domain.imports.key_claims import Claims
from webapp.domain.imports.plan import (
    KEYS,
    Change,
    DryRunState,
    ExistingMember,
    Plan,
    RowError,
    ValidRow,
)
from webapp.domain.normalization import fold
from webapp.messages import Message, message
from webapp.models import Member, MemberStatus

USERNAME_LENGTH = 190

NAMELESS = RowError("username", Message("imports.username_required"))

EARLIER = ""
"""Replaces the ID of a holder: an earlier row of a dry run would have taken the key."""

Postpone = Callable[[str], bool]
"""Whether a later row may still change the member with this ID, so that it is too early to decide."""


def plan(
    rows: list[ValidRow],
    imagined: DryRunState | None = None,
    postpone: Postpone | None = None,
    *,
    strict: bool = False,
) -> Plan:
    """Plan a chunk by the combined result of its rows, so that members can swap usernames; writes nothing.

    `imagined` is the result of a dry run's earlier rows. With `strict`, an unavailable email is an error, not a
    warning. Three queries, and one more if a member who has left gives up a username.
    """
    known = _known(rows)
    if imagined is not None:
        known |= {key: member for key, member in imagined.former.items() if key in known}
    related = _related(rows, known, imagined)
    result = Plan()
    if related:
        result = _Planner(rows, known, related, imagined, postpone, strict).plan()
    for row in rows:
        if row.external_id not in related:
            _plan_alone(row, known.get(row.external_id), result)
    return result


def plan_new(rows: list[ValidRow]) -> Plan | None:
    """Plan the rows as new members, without a query; None if some of them can't be independent of each other."""
    usernames = {row.username_key for row in rows}
    emails = [row.email_key for row in rows if row.email_key]
    distinct = len(usernames) == len(rows) and len(set(emails)) == len(emails)
    if not distinct or "" in usernames or any(map(_is_unusual, rows)):
        return None
    return Plan(new=rows)


def _plan_alone(row: ValidRow, member: ExistingMember | None, result: Plan) -> None:
    """Plan a row that concerns no other."""
    if member is None:
        result.new.append(row)
        result.outcomes[row.line] = "created"
    elif _adds_nothing(row, member):
        result.unchanged += 1
        result.outcomes[row.line] = "unchanged"
    else:
        result.changes.append(Change(row.line, member, merged(row, member)))
        result.outcomes[row.line] = "updated"


def _related(
    rows: list[ValidRow], known: Mapping[str, ExistingMember], imagined: DryRunState | None
) -> set[str]:
    """Return the IDs of rows and members that must be planned together.

    These want a username or email that another one has or wants, too. Rows that change these or have warnings count as
    related, too: they are few.
    """
    related = {row.external_id for row in rows if not _is_simple(row, known.get(row.external_id))}
    if imagined is not None:
        related |= {row.external_id for row in rows if imagined.concerns(row)}
    users = {member.username_key: who for who, member in known.items()}
    emails = {member.email_key: who for who, member in known.items()}
    for row in rows:
        who = row.external_id
        if row.username_key and (other := users.setdefault(row.username_key, who)) != who:
            related |= {who, other}
        if row.email_key and (other := emails.setdefault(row.email_key, who)) != who:
            related |= {who, other}
    return related


def _is_simple(row: ValidRow, member: ExistingMember | None) -> bool:
    if _is_unusual(row):
        return False
    if member is None:
        return bool(row.username_key)
    return row.username in ("", member.username) and row.email in ("", member.email)


def _is_unusual(row: ValidRow) -> bool:
    return bool(row.warnings or row.doubts or row.hints or row.cleared)


def _adds_nothing(row: ValidRow, member: ExistingMember) -> bool:
    """True if a row that changes neither username nor email changes nothing else."""
    return (
        row.name in ("", member.name)
        and (row.status is None or row.status == member.status)
        and (row.joined is None or row.joined.names(member.joined_at))
    )


class _Planner:
    """The related rows of a chunk and the members they affect, both by ID."""

    def __init__(
        self,
        rows: list[ValidRow],
        known: Mapping[str, ExistingMember],
        related: set[str],
        imagined: DryRunState | None,
        postpone: Postpone | None,
        strict: bool,
    ) -> None:
        self.rows = [row for row in rows if row.external_id in related]
        self.usernames_in_chunk = {row.username_key for row in rows}
        self.known = {who: member for who, member in known.items() if who in related}
        self.imagined = imagined
        self.postpone = postpone
        self.strict = strict
        self.result = Plan()
        self.targets: dict[str, ExistingMember] = {}
        self.usernames, self.emails = (Claims(self._held(*names)) for names in KEYS)
        self.postponed_members: set[str] = set()
        self.former: dict[str, str] = {}  # member who loses their username to the row of another

    def plan(self) -> Plan:
        for row in self.rows:
            member = self.known.get(row.external_id)
            if faults := self._faults(row, member):
                self.result.problems[row.line] = faults
            else:
                target = merged(row, member)
                self.targets[row.external_id] = target
                new, renamed = member is None, member and member.username != target.username
                self.result.warnings[row.line] = [
                    *row.warnings,
                    *(hint for hint in row.hints if new or (renamed and hint.field == "username")),
                ]
        self.lines = {
            row.external_id: row.line for row in self.rows if row.external_id in self.targets
        }
        self._postpone_emails()
        self._settle_usernames()
        self._settle_emails()
        self._name_former()
        self._compare()
        return self.result

    def _held(self, label: str, key: str) -> dict[str, str]:
        """Return the holder of each key of a kind among the affected members."""
        held = {
            getattr(member, key): who for who, member in self.known.items() if getattr(member, key)
        }
        if self.imagined is None:
            return held
        for value in {getattr(row, key) for row in self.rows} - {""}:
            now = self.imagined.holders[label].get(value)
            if now == DryRunState.FREE:
                held.pop(value, None)
            elif now is not None:
                held[value] = EARLIER
        return held

    def _faults(self, row: ValidRow, member: ExistingMember | None) -> list[RowError]:
        """Return a row's errors that don't depend on competing claims."""
        found = []
        if member is None and not row.username_key:
            found.append(NAMELESS)
            holder = self.emails.holders.get(row.email_key)
            if self.strict and holder is not None:
                found.append(self._taken("email", row.email, holder))
        return [*found, *row.doubts] if member is None else found

    def _postpone_emails(self) -> None:
        if self.postpone is None:
            return
        for row in self.rows:
            if row.external_id in self.targets and row.email_key:
                holder = self.emails.holders.get(row.email_key, row.external_id)
                if (
                    holder not in (row.external_id, EARLIER)
                    and holder not in self.targets
                    and self.postpone(holder)
                ):
                    self._put_off(row.external_id)

    def _put_off(self, who: str) -> None:
        self.result.postponed.add(self.lines[who])
        self.postponed_members.add(who)
        self._drop(who)

    def _drop(self, who: str) -> None:
        del self.targets[who]
        self.result.warnings.pop(self.lines[who], None)

    def _settle_usernames(self) -> None:
        """Grant usernames: free ones, swaps, those of members who have left; reject or postpone the other rows."""
        claims = self.usernames
        for who, target in list(self.targets.items()):
            member = self.known.get(who)
            old = member.username_key if member else ""
            if old != target.username_key:
                claims.claim(who, old, target.username_key)
        claims.grant_circles()
        while self._take_from_who_left() or self._leave_without() or self._leave_without(late=True):
            pass
        self._refuse_the_rest()

    def _take_from_who_left(self) -> bool:
        """Give usernames of members who have left to active ones; return whether there was one."""
        taken = False
        for who in list(self.usernames.open):
            if who in self.usernames.open and not self._stays_away(who):
                key = self.usernames.open[who][1]
                holder = self.usernames.holders[key]
                if self._has_left(holder, key) and not self._may_change(holder):
                    self._take_from(holder, who)
                    taken = True
        return taken

    def _leave_without(self, *, late: bool = False) -> bool:
        """Deny members who have left a username that someone else keeps; return whether there was one.

        First those whose holder claims nothing; with `late`, also those whose holder's claim can't succeed.
        """
        claims, left = self.usernames, False
        early = self._undecided()
        waiting: dict[str, list[str]] = {}  # holder to the claimants of their username
        for who, (_, key) in claims.open.items():
            waiting.setdefault(claims.holders[key], []).append(who)
        stack = list(claims.open)
        while stack:
            who = stack.pop()
            if who not in claims.open or early[who] or not self._stays_away(who):
                continue
            holder = claims.holders[claims.open[who][1]]
            if late or holder not in claims.open:
                self._keep_former(who, holder)
                left = True
                stack += waiting.get(who, [])
        return left

    def _stays_away(self, who: str) -> bool:
        return self.targets[who].status == MemberStatus.LEFT

    def _undecided(self) -> dict[str, bool]:
        """Return the claimants that wait for a username, and whether a later row may still release it."""
        claims = self.usernames
        early: dict[str, bool] = {}
        for first in claims.open:
            path, who = [], first
            while who in claims.open and who not in early:
                path.append(who)
                early[who] = False
                who = claims.holders[claims.open[who][1]]
            found = early[who] if who in claims.open else self._may_change(who)
            early |= dict.fromkeys(path, found)
        return early

    def _refuse_the_rest(self) -> None:
        """Reject rows whose username someone keeps, or postpone them if that may change."""
        claims = self.usernames
        for who, early in self._undecided().items():
            holder = claims.holders[claims.open[who][1]]
            claims.withdraw(who)
            if early:
                self._put_off(who)
                continue
            target, member = self.targets[who], self.known.get(who)
            faults = [self._taken("username", target.username, holder)]
            other = self.emails.holders.get(target.email_key)
            if self.strict and other is not None and not (member and other == who):
                faults.append(self._taken("email", target.email, other))
            self.result.problems[self.lines[who]] = faults
            self._drop(who)

    def _may_change(self, holder: str) -> bool:
        """True if a postponed or later row may change a member."""
        if self.postpone is None or holder == EARLIER:
            return False
        return holder in self.postponed_members or (
            holder not in self.targets and self.postpone(holder)
        )

    def _has_left(self, holder: str, key: str) -> bool:
        """True if the holder of a username has left at the end of the file, as far as known."""
        if holder == EARLIER:
            state = self.imagined.holders["username"].get(key) if self.imagined else None
            return state == DryRunState.LEFT
        if holder in self.usernames.open:
            return False
        return (self.targets.get(holder) or self.known[holder]).status == MemberStatus.LEFT

    def _keep_former(self, who: str, holder: str) -> None:
        """Keep the name of a member who has left; a new one gets a marked username."""
        target, member = self.targets[who], self.known.get(who)
        self.usernames.withdraw(who)
        fault = self._taken("username", target.username, holder)
        if member is not None:
            target.username, target.username_key = member.username, member.username_key
            fault = RowError(
                "username",
                message(
                    "imports.former_unchanged", taken=fault.message, username=shown(member.username)
                ),
            )
            self.result.warnings[self.lines[who]].append(fault)
        else:
            self.former[who] = who

    def _take_from(self, holder: str, who: str) -> None:
        """Give the username of a member who has left to someone else."""
        if holder != EARLIER:
            self.former[holder] = who
        else:
            name = shown(self.targets[who].username)
            note = message("imports.earlier_has_left", username=name)
            self.result.warnings[self.lines[who]].append(RowError("username", note))
        self.usernames.grant(who)

    def _settle_emails(self) -> None:
        """Grant emails; rows whose email someone keeps are imported without it."""
        claims = self.emails
        for who, target in self.targets.items():
            member = self.known.get(who)
            if member and member.email_key and not target.email_key:
                claims.release(who, member.email_key)
        for who, target in self.targets.items():
            member = self.known.get(who)
            old = member.email_key if member else ""
            if target.email_key and old != target.email_key:
                claims.claim(who, old, target.email_key)
        claims.grant_circles()
        for who, (_, key) in list(claims.open.items()):
            target, member = self.targets[who], self.known.get(who)
            holder = claims.holders[key]
            if self.strict:
                self.result.problems[self.lines[who]] = [self._taken("email", target.email, holder)]
                self._drop(who)
                continue
            dropped = _held_by("imports.email_dropped", target.email, holder)
            self.result.warnings[self.lines[who]].append(RowError("email", dropped, lost=True))
            target.email = member.email if member else ""
            target.email_key = member.email_key if member else ""

    def _taken(self, label: str, text: str, holder: str) -> RowError:
        return RowError(label, _held_by(f"imports.{label}_taken", text, holder))

    def _name_former(self) -> None:
        """Mark the former usernames of members who have left, and warn at the rows that took them."""
        if not self.former:
            return
        marked = {who: _former(self.targets.get(who) or self.known[who]) for who in self.former}
        keys = sorted({fold(name) for name in marked.values()})
        used = set(
            db.session.scalars(
                select(Member.username_key).where(in_array(Member.username_key, keys))
            )
        )
        used |= {member.username_key for member in self.targets.values()} | self.usernames_in_chunk
        for who, taker in self.former.items():
            member = self.targets.get(who) or self.known[who]
            name = marked[who]
            if fold(name) in used:
                name = _former(member, uuid4().hex[:8])
            after = replace(member, username=name, username_key=fold(name))
            if who == taker:
                holder = self.usernames.holders[member.username_key]
                taken = self._taken("username", member.username, holder).message
                note = message("imports.former_renamed", taken=taken, username=shown(name, 80))
            else:
                note = message(
                    "imports.holder_renamed",
                    username=shown(member.username),
                    holder=shown(who),
                    renamed=shown(name, 80),
                )
            if who in self.targets:
                self.targets[who] = after
            else:
                line = self.lines[taker]
                self.result.renamed.append(Change(line, member, after))
            self.result.warnings[self.lines[taker]].append(RowError("username", note))

    def _compare(self) -> None:
        """Determine what each imported row changes."""
        for who, target in self.targets.items():
            line, member = self.lines[who], self.known.get(who)
            if target == member:
                self.result.unchanged += 1
                self.result.outcomes[line] = "unchanged"
                continue
            self.result.changes.append(Change(line, member, target))
            self.result.outcomes[line] = "updated" if member else "created"
        self.result.warnings = {line: said for line, said in self.result.warnings.items() if said}


def _held_by(code: str, text: str, holder: str) -> Message:
    if holder == EARLIER:
        return message(f"{code}_earlier", value=shown(text))
    return message(code, value=shown(text), holder=shown(holder))


def _former(member: ExistingMember, more: str = "") -> str:
    """Return a username that marks a member who has left as its former holder."""
    suffix = f" (former {', '.join(filter(None, (member.external_id, more)))})"
    if len(suffix) > USERNAME_LENGTH // 2:
        suffix = f" (former {more or uuid4().hex[:8]})"
    return member.username[: USERNAME_LENGTH - len(suffix)] + suffix


def _known(rows: list[ValidRow]) -> dict[str, ExistingMember]:
    """Return the members that the rows affect, by ID; a query per column, without what an earlier one has found."""
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

    def find(column: Any, values: set[str]) -> None:
        if values:
            found = db.session.execute(select(*columns).where(in_array(column, sorted(values))))
            known.update((row[1], ExistingMember(*row)) for row in found)

    find(Member.external_id, {row.external_id for row in rows})
    usernames = {member.username_key for member in known.values()}
    find(Member.username_key, {row.username_key for row in rows} - usernames - {""})
    emails = {member.email_key for member in known.values()}
    find(Member.email_key, {row.email_key for row in rows} - emails - {""})
    return known


def merged(row: ValidRow, member: ExistingMember | None) -> ExistingMember:
    if member is None:
        names = row.username, row.username_key, row.email, row.email_key, row.name
        return ExistingMember(
            None, row.external_id, *names, row.joined_at, str(row.status or MemberStatus.ACTIVE)
        )
    joined = row.joined
    doubtful = any(doubt.field == "username" for doubt in row.doubts)
    renamed = row.username not in ("", member.username) and not doubtful
    return ExistingMember(
        member.id,
        member.external_id,
        row.username if renamed else member.username,
        row.username_key if renamed else member.username_key,
        row.email if row.email or "email" in row.cleared else member.email,
        row.email_key if row.email or "email" in row.cleared else member.email_key,
        row.name if row.name or "name" in row.cleared else member.name,
        joined.at if joined and not joined.names(member.joined_at) else member.joined_at,
        str(row.status or member.status),
    )
