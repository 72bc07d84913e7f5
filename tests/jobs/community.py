"""A community in memory, as adapters see one: members, badges, who holds them, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from webapp.adapters.contract import (
    BadgeChange,
    BadgeGone,
    Check,
    ConnectionProblem,
    Done,
    Holders,
    MemberGone,
    Outcome,
    Pull,
    RemoteBadge,
    RemoteMember,
)


@dataclass
class Community:
    """Its adapter too. `problems` are raised by the next calls, one each; `before` is called before each page."""

    members: dict[str, RemoteMember] = field(default_factory=dict)
    badge_names: dict[str, str] = field(default_factory=dict)
    held: dict[str, set[str]] = field(default_factory=dict)  # accounts by badge
    problems: list[ConnectionProblem] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)  # by account, instead of a change
    changes: list[BadgeChange] = field(default_factory=list)
    page_size: int = 100
    max_changes: int = 10
    before: Callable[[], None] = lambda: None

    def join(self, *usernames: str, first: int = 1) -> None:
        for number, username in enumerate(usernames, start=first):
            email = f"{username}@example.org"
            self.members[str(number)] = RemoteMember(str(number), username, username.title(), email)

    def _fail(self) -> None:
        self.before()
        if self.problems:
            raise self.problems.pop(0)

    def check(self) -> Check:
        self._fail()
        return Check("Kettle Club", "laurel", "6.8")

    def pull(self, cursor: str = "") -> Pull:
        self._fail()
        start = int(cursor or 0)
        members = list(self.members.values())
        page = tuple(members[start : start + self.page_size])
        following = start + len(page)
        return Pull(page, str(following) if following < len(members) else "", len(members))

    def badges(self) -> list[RemoteBadge]:
        self._fail()
        return [RemoteBadge(number, name) for number, name in self.badge_names.items()]

    def create_badge(self, name: str, description: str) -> RemoteBadge:
        self._fail()
        for badge in self.badges():
            if badge.name == name:
                return badge
        number = f"b{len(self.badge_names) + 1}"
        self.badge_names[number] = name
        return RemoteBadge(number, name)

    def set_badges(self, changes: Sequence[BadgeChange]) -> list[Outcome]:
        assert len(changes) <= self.max_changes
        self._fail()
        return [self._set(change) for change in changes]

    def _set(self, change: BadgeChange) -> Outcome:
        if outcome := self.outcomes.get(change.account.id):
            return outcome
        if change.account.id not in self.members:
            return MemberGone()
        if change.badge_id not in self.badge_names:
            return BadgeGone()
        self.changes.append(change)
        holders = self.held.setdefault(change.badge_id, set())
        (holders.add if change.held else holders.discard)(change.account.id)
        return Done()

    def holders(self, badge_id: str, cursor: str = "") -> Holders:
        self._fail()
        start = int(cursor or 0)
        everyone = sorted(self.held.get(badge_id, ()))
        page = tuple(everyone[start : start + self.page_size])
        following = start + len(page)
        return Holders(page, str(following) if following < len(everyone) else "")

    def close(self) -> None:
        """Nothing is open."""
