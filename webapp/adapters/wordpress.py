"""WordPress: members by its REST API, badges by our plugin (`connections/wordpress/laurel-badges.php`).

Signs in with an application password. The plugin keeps a member's badges in one meta value, and takes many changes in
one request, each of which is made or reported by itself. Without the plugin, members can be read all the same.
"""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC

from pydantic import BaseModel

from webapp.adapters.contract import (
    BadgeChange,
    BadgeGone,
    Check,
    ConnectionProblem,
    Credentials,
    Done,
    Holders,
    MemberGone,
    Outcome,
    Pull,
    Refused,
    RemoteBadge,
    RemoteMember,
)
from webapp.adapters.rest import Query, Reply, Rest, shown
from webapp.infrastructure.network_policy import Target
from webapp.messages import message

PAGE = 100  # members in a response, the most that WordPress returns
OURS = "laurel/v1"  # the plugin's namespace


class _Index(BaseModel):
    name: str
    namespaces: list[str]


class _Me(BaseModel):
    username: str
    capabilities: dict[str, bool] = {}


class _User(BaseModel):
    id: int
    username: str
    name: str = ""
    email: str = ""


class _Status(BaseModel):
    wordpress: str


class _Badge(BaseModel):
    id: str
    name: str


class _Result(BaseModel):
    status: str
    message: str = ""


class _Results(BaseModel):
    results: list[_Result]


class _Holders(BaseModel):
    users: list[int]
    next: int | None


class _Error(BaseModel):
    code: str = ""


class WordPress:
    """A WordPress site. Its permalinks may be set to anything, because `rest_route` doesn't depend on them."""

    max_changes = 50

    def __init__(self, to: Target, credentials: Credentials, networks: Iterable[str] = ()) -> None:
        pair = f"{credentials.account}:{credentials.secret}".encode()
        self.account = credentials.account
        self.rest = Rest(to, {"Authorization": f"Basic {b64encode(pair).decode()}"}, networks)

    def check(self) -> Check:
        index = self._send("/", {"_fields": "name,namespaces"}).parsed(_Index)
        community = shown(html.unescape(index.name))
        fields = {"context": "edit", "_fields": "username,capabilities"}
        me = self._send("/wp/v2/users/me", fields).parsed(_Me)
        missing = [
            right for right in ("list_users", "edit_users") if not me.capabilities.get(right)
        ]
        if missing:
            raise ConnectionProblem("connections.remote_rights", account=shown(me.username))
        if OURS not in index.namespaces:
            warning = message("connections.remote_plugin_missing")
            return Check(community, shown(me.username), "", (warning,))
        status = self._ours("/status").parsed(_Status)
        return Check(community, shown(me.username), shown(status.wordpress))

    def pull(self, cursor: str = "") -> Pull:
        """Return members by ascending ID. Each page begins with the last member of the one before.

        If it doesn't, members before were deleted meanwhile and the others moved up; then an earlier page is read, so
        that no one is skipped.
        """
        seen, last = (int(part) for part in cursor.split(":")) if cursor else (0, 0)
        offset = max(0, seen - 1)
        users, total = self._users(offset)
        while offset and (not users or users[0].id > last):
            offset = max(0, offset - PAGE + 1)
            users, total = self._users(offset)
        new = [user for user in users if user.id > last]
        read = offset + len(users)
        if read >= total:
            return Pull(tuple(map(_member, new)), "", total)
        if not new:
            raise ConnectionProblem("connections.remote_repeats")
        return Pull(tuple(map(_member, new)), f"{read}:{new[-1].id}", total)

    def badges(self) -> list[RemoteBadge]:
        found = self._ours("/badges").parsed(list[_Badge])
        return [RemoteBadge(badge.id, badge.name) for badge in found]

    def create_badge(self, name: str, description: str) -> RemoteBadge:
        body = {"name": name, "description": description}
        badge = self._ours("/badges", {}, body).parsed(_Badge)
        return RemoteBadge(badge.id, badge.name)

    def set_badges(self, changes: Sequence[BadgeChange]) -> list[Outcome]:
        body = {"changes": [_change(change) for change in changes]}
        results = self._ours("/changes", {}, body).parsed(_Results).results
        if len(results) != len(changes):
            raise ConnectionProblem("connections.remote_unexpected")
        return [_outcome(result) for result in results]

    def holders(self, badge_id: str, cursor: str = "") -> Holders:
        found = self._ours("/holders", {"badge": badge_id, "after": cursor or 0}).parsed(_Holders)
        if found.next is not None and found.next <= int(cursor or 0):
            raise ConnectionProblem("connections.remote_repeats")
        return Holders(tuple(map(str, found.users)), "" if found.next is None else str(found.next))

    def close(self) -> None:
        self.rest.close()

    def _users(self, offset: int) -> tuple[list[_User], int]:
        """Return up to PAGE users after the first `offset`, and how many there are."""
        query: Query = {
            "context": "edit",  # with usernames and emails
            "orderby": "id",
            "order": "asc",
            "per_page": PAGE,
            "offset": offset,
            "_fields": "id,username,name,email",
        }
        reply = self._send("/wp/v2/users", query)
        users = reply.parsed(list[_User])
        ids = [user.id for user in users]
        if ids != sorted(set(ids)):
            raise ConnectionProblem("connections.remote_repeats")
        return users, _total(reply, offset + len(users), full=len(users) >= PAGE)

    def _ours(
        self, path: str, query: Query | None = None, body: Mapping[str, object] | None = None
    ) -> Reply:
        reply = self._send(f"/{OURS}{path}", query, body, expected=(404,))
        if reply.status == 404:
            missing = reply.parsed(_Error).code == "rest_no_route"
            raise ConnectionProblem(
                "connections.remote_plugin_missing" if missing else "connections.remote_unexpected"
            )
        return reply

    def _send(
        self,
        route: str,
        query: Query | None = None,
        body: Mapping[str, object] | None = None,
        *,
        expected: tuple[int, ...] = (),
    ) -> Reply:
        method = "GET" if body is None else "POST"
        return self.rest.send(
            method, "/", {"rest_route": route, **(query or {})}, body, expected=expected
        )


def _total(reply: Reply, read: int, *, full: bool) -> int:
    """Return how many users there are. If a proxy removed the count, a full page is followed by another."""
    stated = reply.headers.get("x-wp-total", "")
    if stated.isdecimal():
        return int(stated)
    more = full or 'rel="next"' in reply.headers.get("link", "")
    return read + 1 if more else read


def _member(user: _User) -> RemoteMember:
    """Return a user as a member. WordPress stores names escaped for HTML."""
    return RemoteMember(str(user.id), user.username, html.unescape(user.name), user.email)


def _change(change: BadgeChange) -> dict[str, object]:
    return {
        "user": int(change.account.id),
        "badge": change.badge_id,
        "held": change.held,
        "at": change.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": change.reason,
    }


def _outcome(result: _Result) -> Outcome:
    match result.status:
        case "done":
            return Done()
        case "user_gone":
            return MemberGone()
        case "badge_gone":
            return BadgeGone()
        case "not_allowed":
            return Refused(message("connections.remote_member_protected"))
    return Refused(message("connections.remote_refused", detail=shown(result.message)))
