"""Resolve usernames or emails that several rows claim or release, by the final state of all rows."""

from __future__ import annotations

from collections import deque


class Claims:
    """Holders of one kind of key, and claims for another key.

    A claim is granted as soon as its key is free; the claimant's old key then goes to the first claim that waits for
    it. Takes linear time in the number of claims.
    """

    def __init__(self, holders: dict[str, str]) -> None:
        self.holders = holders
        """Holder by key, kept up to date."""
        self.open: dict[str, tuple[str, str]] = {}
        """Open claims in order: claimant to the key they would release ("" for none) and the wanted one."""
        self._waiting: dict[str, deque[str]] = {}

    def release(self, who: str, key: str) -> None:
        """Free a key whose holder wants no other; call it before the first claim."""
        if self.holders.get(key) == who:
            del self.holders[key]

    def claim(self, who: str, gives: str, wants: str) -> None:
        self.open[who] = (gives, wants)
        if wants in self.holders:
            self._waiting.setdefault(wants, deque()).append(who)
        else:
            self.grant(who)

    def grant(self, who: str) -> None:
        """Grant a claim, then the claim that waits for the released key, and so on."""
        granted: str | None = who
        while granted is not None:
            gives, wants = self.open.pop(granted)
            self.holders[wants] = granted
            granted = self._freed(gives, granted) if gives else None

    def grant_circles(self) -> None:
        """Grant claims that satisfy each other: two members who swap, three who rotate."""
        seen: dict[str, str] = {}  # claimant to the previous one in the search
        for first in list(self.open):
            path, who = [], first
            while who in self.open and who not in seen:
                seen[who] = first
                path.append(who)
                who = self.holders[self.open[who][1]]
            if who in self.open and seen[who] == first:
                for claimant in path[path.index(who) :]:
                    self.holders[self.open.pop(claimant)[1]] = claimant

    def withdraw(self, who: str) -> None:
        """Drop a claim; the claimant keeps their key."""
        self.open.pop(who, None)

    def _freed(self, key: str, by: str) -> str | None:
        if self.holders.get(key) != by:
            return None  # someone else holds it
        del self.holders[key]
        waiting = self._waiting.get(key, deque())
        while waiting:
            if (who := waiting.popleft()) in self.open:
                return who
        return None
