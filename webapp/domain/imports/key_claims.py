"""Who gets a username or an email that several rows want or give up: by the final state of all of them."""

from __future__ import annotations

from collections import deque


class Claims:
    """The holders of one kind of key, and the claims of those who want another one.

    A claim is granted as soon as its key is free; the key that the claimant gives up goes to who waits for it, the
    first in the order of claims. Takes time in proportion to the claims.
    """

    def __init__(self, held: dict[str, str]) -> None:
        self.held = held
        """Key to holder, kept up to date."""
        self.open: dict[str, tuple[str, str]] = {}
        """Claims not granted, in their order: claimant to the key they would give up ("": none) and the wanted one."""
        self._waiting: dict[str, deque[str]] = {}

    def claim(self, who: str, gives: str, wants: str) -> None:
        """Take up a claim; one for each claimant."""
        self.open[who] = (gives, wants)
        if wants in self.held:
            self._waiting.setdefault(wants, deque()).append(who)
        else:
            self.grant(who)

    def grant(self, who: str) -> None:
        """Give a claimant the wanted key, and the key they give up to who waits for it, and so on."""
        granted: str | None = who
        while granted is not None:
            gives, wants = self.open.pop(granted)
            self.held[wants] = granted
            granted = self._freed(gives, granted) if gives else None

    def grant_circles(self) -> None:
        """Grant the claims that satisfy each other: two members who swap, three who move on by one."""
        seen: dict[str, str] = {}  # claimant to the one from whom the search came by
        for first in list(self.open):
            path, who = [], first
            while who in self.open and who not in seen:
                seen[who] = first
                path.append(who)
                who = self.held[self.open[who][1]]
            if who in self.open and seen[who] == first:
                for claimant in path[path.index(who) :]:
                    self.held[self.open.pop(claimant)[1]] = claimant

    def withdraw(self, who: str) -> None:
        """Drop a claim; the claimant keeps what they hold."""
        self.open.pop(who, None)

    def _freed(self, key: str, by: str) -> str | None:
        if self.held.get(key) != by:
            return None  # somebody has it already
        del self.held[key]
        waiting = self._waiting.get(key, deque())
        while waiting:
            if (who := waiting.popleft()) in self.open:
                return who
        return None
