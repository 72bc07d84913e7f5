"""What a connection needs of a community, whatever software that runs on.

`webapp.adapters.adapter_for` returns the adapter of a kind. An adapter is for one thread at a time, and keeps nothing
between calls but its connection. Every call is safe to repeat: `pull` and `holders` read, `set_badges` states what
shall hold, and `create_badge` returns a badge of the same name that is already there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from webapp.messages import Message


class AdapterKind(StrEnum):
    """The software of a community."""

    WORDPRESS = "wordpress"
    DISCOURSE = "discourse"
    NODEBB = "nodebb"


@dataclass(frozen=True)
class Credentials:
    """How to sign in there.

    WordPress: a username and its application password. Discourse: the API user and an API key. NodeBB: an API token,
    and the numeric ID of the user it acts for if it is a master token, else "".
    """

    account: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.account!r}, …)"


class ConnectionProblem(Exception):  # noqa: N818 (not an error of ours)
    """A community that can't be worked with now, whichever member it is about.

    If `temporary`, try again by yourself, after `retry_after` seconds if it isn't 0; else a person has to do something
    (credentials, rights, address).
    """

    def __init__(
        self, code: str, *, temporary: bool = False, retry_after: int = 0, **values: Any
    ) -> None:
        super().__init__(code)
        self.message = Message(code, values)
        self.temporary = temporary
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.message)


@dataclass(frozen=True)
class Check:
    """A community that can be worked with."""

    community: str  # its name
    account: str  # whom we are signed in as
    version: str  # of the software, "" if it doesn't say
    warnings: tuple[Message, ...] = ()


@dataclass(frozen=True)
class RemoteMember:
    """A user there. `id` never changes; `email` is "" if there is none that is confirmed."""

    id: str
    username: str
    name: str
    email: str


@dataclass(frozen=True)
class Pull:
    """A page of members. `next_cursor` is "" at the end; `total` is None if the community doesn't say."""

    members: tuple[RemoteMember, ...]
    next_cursor: str
    total: int | None = None


@dataclass(frozen=True)
class RemoteBadge:
    """A badge, or what takes its place there."""

    id: str
    name: str


@dataclass(frozen=True)
class RemoteAccount:
    """A member's account there, as the last pull saw it."""

    id: str
    username: str


@dataclass(frozen=True)
class BadgeChange:
    """A badge that an account shall hold since `at`, or not hold."""

    account: RemoteAccount
    badge_id: str
    held: bool
    at: datetime
    reason: str = ""


@dataclass(frozen=True)
class Done:
    """It is so now, whether or not it was before."""


@dataclass(frozen=True)
class MemberGone:
    """The account no longer exists there."""


@dataclass(frozen=True)
class BadgeGone:
    """The badge no longer exists there: its mapping has to change."""


@dataclass(frozen=True)
class RetryAfter:
    """Not now; `seconds` is 0 if the community doesn't say how long."""

    seconds: int = 0


@dataclass(frozen=True)
class Refused:
    """It won't do this for this member; repeating it changes nothing."""

    reason: Message


Outcome = Done | MemberGone | BadgeGone | RetryAfter | Refused


@dataclass(frozen=True)
class Holders:
    """A page of the accounts that hold a badge. `next_cursor` is "" at the end."""

    account_ids: tuple[str, ...]
    next_cursor: str


class Adapter(Protocol):
    """A community. Every call but `close` raises ConnectionProblem."""

    max_changes: int
    """The most changes that one call of `set_badges` takes; 1 if the community takes them one by one."""

    def check(self) -> Check:
        """Sign in, and see whether members can be read and badges be given."""

    def pull(self, cursor: str = "") -> Pull:
        """Return the members after a cursor; "" is the beginning."""

    def badges(self) -> list[RemoteBadge]: ...

    def create_badge(self, name: str, description: str) -> RemoteBadge:
        """Create a badge, or return the one of this name."""

    def set_badges(self, changes: Sequence[BadgeChange]) -> list[Outcome]:
        """Make the changes so, and return the outcome of each, in their order.

        If it raises, some may have been made: repeat them.
        """

    def holders(self, badge_id: str, cursor: str = "") -> Holders:
        """Return who holds a badge, after a cursor. A badge that is gone has no holders."""

    def close(self) -> None: ...
