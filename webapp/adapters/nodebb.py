"""NodeBB: members by its admin API; a badge is a group whose title is shown on posts and profiles.

Written after its documentation and source; not yet run against a live forum. It answers unusually: leaving a group
twice gives 400, and an unknown member 401, as a wrong token does. An email is empty until its owner has confirmed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, Field

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
    RetryAfter,
)
from webapp.adapters.rest import Query, Rest, segment, shown
from webapp.infrastructure.network_policy import Target
from webapp.messages import message

PAGE = 500  # members in a response, the most that NodeBB returns


class _Config(BaseModel):
    site_title: str = Field(alias="siteTitle")
    version: str = ""


class _User(BaseModel):
    uid: int
    username: str
    displayname: str = ""
    email: str = ""
    confirmed: int | bool | None = Field(default=None, alias="email:confirmed")


class _Users(BaseModel):
    users: list[_User]
    page: int
    page_count: int = Field(alias="pageCount")
    user_count: int | None = Field(default=None, alias="userCount")


class _Group(BaseModel):
    name: str
    slug: str
    system: int | bool = False


class _Pages(BaseModel):
    page_count: int = Field(default=1, alias="pageCount")


class _Groups(BaseModel):
    groups: list[_Group]
    pagination: _Pages = _Pages(pageCount=1)


class _NewGroup(BaseModel):
    response: _Group


class _Member(BaseModel):
    uid: int


class _Members(BaseModel):
    users: list[_Member]
    next_start: int | None = Field(default=None, alias="nextStart")


class _MembersPage(BaseModel):
    response: _Members


class _Status(BaseModel):
    code: str
    message: str = ""


class _Answer(BaseModel):
    status: _Status


class NodeBB:
    """A NodeBB forum. A master token acts for the user whose ID the credentials name."""

    max_changes = 1

    def __init__(self, to: Target, credentials: Credentials, networks: Iterable[str] = ()) -> None:
        self.rest = Rest(to, {"Authorization": f"Bearer {credentials.secret}"}, networks)
        self.acting: Query = {"_uid": credentials.account} if credentials.account else {}

    def check(self) -> Check:
        config = self.rest.get(_Config, "/api/config", self.acting)
        me = self.rest.get(_User, "/api/self", self.acting)
        self._users(1)  # needs the rights of an administrator
        return Check(shown(config.site_title), shown(me.username), shown(config.version))

    def pull(self, cursor: str = "") -> Pull:
        """Return members by the time they joined."""
        number, before = (int(part) for part in cursor.split(":")) if cursor else (1, 0)
        found = self._users(number)
        first = found.users[0].uid if found.users else 0
        if found.page != number or (first and first == before):
            raise ConnectionProblem("connections.remote_repeats")
        members = tuple(_member(user) for user in found.users)
        next_cursor = f"{number + 1}:{first}" if number < found.page_count else ""
        return Pull(members, next_cursor, found.user_count)

    def badges(self) -> list[RemoteBadge]:
        found: list[RemoteBadge] = []
        number = pages = 1
        while number <= pages:
            page = self.rest.get(
                _Groups, "/api/admin/manage/groups", {**self.acting, "page": number}
            )
            found += [RemoteBadge(one.slug, one.name) for one in page.groups if not one.system]
            number, pages = number + 1, page.pagination.page_count
        return found

    def create_badge(self, name: str, description: str) -> RemoteBadge:
        """Create a group that members can neither join nor leave by themselves, with its name as title."""
        for badge in self.badges():
            if badge.name == name:
                return badge
        body = {
            "name": name,
            "description": description,
            "userTitle": name,
            "userTitleEnabled": 1,
            "hidden": 0,
            "private": 1,
            "disableJoinRequests": 1,
            "disableLeave": 1,
        }
        reply = self.rest.send("POST", "/api/v3/groups", self.acting, body)
        made = reply.parsed(_NewGroup).response
        return RemoteBadge(made.slug, made.name)

    def set_badges(self, changes: Sequence[BadgeChange]) -> list[Outcome]:
        return [self._set(change) for change in changes]

    def holders(self, badge_id: str, cursor: str = "") -> Holders:
        query: Query = {**self.acting, "after": cursor or 0}
        path = f"/api/v3/groups/{segment(badge_id)}/members"
        reply = self.rest.send("GET", path, query, expected=(404,))
        if reply.status == 404:
            return Holders((), "")
        found = reply.parsed(_MembersPage).response
        ids = tuple(str(user.uid) for user in found.users)
        if not ids or found.next_start is None:
            return Holders(ids, "")
        if found.next_start <= int(cursor or 0):
            raise ConnectionProblem("connections.remote_repeats")
        return Holders(ids, str(found.next_start))

    def close(self) -> None:
        self.rest.close()

    def _users(self, number: int) -> _Users:
        query: Query = {"sortBy": "joindate", "sortDirection": "asc", "resultsPerPage": PAGE}
        return self.rest.get(
            _Users, "/api/admin/manage/users", {**self.acting, **query, "page": number}
        )

    def _set(self, change: BadgeChange) -> Outcome:
        path = f"/api/v3/groups/{segment(change.badge_id)}/membership/{segment(change.account.id)}"
        method = "PUT" if change.held else "DELETE"
        try:
            reply = self.rest.send(method, path, self.acting, expected=(400, 401, 404))
        except ConnectionProblem as problem:
            if problem.message.code == "connections.remote_busy":
                return RetryAfter(problem.retry_after)
            raise
        status = reply.parsed(_Answer).status
        return Done() if reply.status < 300 else self._failure(change, reply.status, status.message)

    def _failure(self, change: BadgeChange, status: int, reason: str) -> Outcome:
        said = reason.casefold()
        if "invalid user id" in said or "invalid-uid" in said:
            return MemberGone()
        if status == 401:
            return self._unauthorized(change)
        if not change.held and ("not a member" in said or "group-not-member" in said):
            return Done()
        if status == 404 or "group does not exist" in said or "no-group" in said:
            return BadgeGone()
        return Refused(message("connections.remote_refused", detail=shown(reason)))

    def _unauthorized(self, change: BadgeChange) -> Outcome:
        """Return MemberGone if the token still works: the message may be in any language."""
        self.rest.get(_User, "/api/self", self.acting)
        path = f"/api/v3/users/{segment(change.account.id)}"
        if self.rest.send("GET", path, self.acting, expected=(404,)).status == 404:
            return MemberGone()
        raise ConnectionProblem("connections.remote_rights")


def _member(user: _User) -> RemoteMember:
    email = user.email if user.confirmed else ""
    return RemoteMember(str(user.uid), user.username, user.displayname or user.username, email)
