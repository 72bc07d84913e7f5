"""Discourse: members by its admin API, badges by granting and revoking them.

Written after its documentation and source; not yet run against a live forum. Discourse allows 60 admin requests a
minute unless its operator allows more, and a change takes two or three. Every page of members is written to its staff
log, because emails are shown (`show_emails`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    RetryAfter,
)
from webapp.adapters.rest import Query, Reply, Rest, segment, shown
from webapp.infrastructure.network_policy import Target
from webapp.messages import message

BRONZE = 3  # Discourse's badge type for a new badge


class _Site(BaseModel):
    title: str


class _CurrentUser(BaseModel):
    username: str
    admin: bool = False


class _Session(BaseModel):
    current_user: _CurrentUser


class _User(BaseModel):
    id: int
    username: str
    name: str | None = None
    email: str | None = None


class _Badge(BaseModel):
    id: int
    name: str
    enabled: bool = True


class _Badges(BaseModel):
    badges: list[_Badge]


class _NewBadge(BaseModel):
    badge: _Badge


class _Award(BaseModel):
    id: int
    badge_id: int
    user_id: int = 0


class _Awards(BaseModel):
    user_badges: list[_Award]


class _Granted(BaseModel):
    id: int


class _Grant(BaseModel):
    user_badge: _Granted


class _Page(BaseModel):
    user_badge_info: _Awards


class _Errors(BaseModel):
    errors: list[str]


class Discourse:
    """A Discourse forum."""

    max_changes = 1

    def __init__(self, to: Target, credentials: Credentials, networks: Iterable[str] = ()) -> None:
        headers = {"Api-Username": credentials.account, "Api-Key": credentials.secret}
        # A wrong or revoked key gives 403; an admin's page that isn't ours to see gives 404.
        self.rest = Rest(to, headers, networks, forbidden="connections.remote_credentials")

    def check(self) -> Check:
        site = self.rest.get(_Site, "/site/basic-info.json")
        user = self.rest.get(_Session, "/session/current.json").current_user
        if not user.admin:
            raise ConnectionProblem("connections.remote_rights", account=shown(user.username))
        return Check(shown(site.title), shown(user.username), "")

    def pull(self, cursor: str = "") -> Pull:
        """Return members by the time they joined. The end is an empty page, because Discourse has no total."""
        number, before = (int(part) for part in cursor.split(":")) if cursor else (1, 0)
        query: Query = {"page": number, "order": "created", "asc": "true", "show_emails": "true"}
        users = self.rest.get(list[_User], "/admin/users/list/active.json", query)
        if not users:
            return Pull((), "")
        if users[0].id == before:
            raise ConnectionProblem("connections.remote_repeats")
        members = tuple(
            _member(user) for user in users if user.id > 0
        )  # others are Discourse's own
        return Pull(members, f"{number + 1}:{users[0].id}")

    def badges(self) -> list[RemoteBadge]:
        found = self.rest.get(_Badges, "/admin/badges.json").badges
        return [RemoteBadge(str(badge.id), badge.name) for badge in found if badge.enabled]

    def create_badge(self, name: str, description: str) -> RemoteBadge:
        for badge in self.badges():
            if badge.name == name:
                return badge
        body = {"name": name, "description": description, "badge_type_id": BRONZE}
        made = self.rest.send("POST", "/admin/badges.json", body=body).parsed(_NewBadge).badge
        return RemoteBadge(str(made.id), made.name)

    def set_badges(self, changes: Sequence[BadgeChange]) -> list[Outcome]:
        return [self._set(change) for change in changes]

    def holders(self, badge_id: str, cursor: str = "") -> Holders:
        """Return the holders of a badge, newest award first, as many as Discourse returns at once."""
        offset = int(cursor or 0)
        query: Query = {"badge_id": badge_id, "offset": offset}
        reply = self.rest.send("GET", "/user_badges.json", query, expected=(404,))
        if reply.status == 404:
            return Holders((), "")
        awards = reply.parsed(_Page).user_badge_info.user_badges
        ids = tuple(dict.fromkeys(str(award.user_id) for award in awards))
        return Holders(ids, str(offset + len(awards)) if awards else "")

    def close(self) -> None:
        self.rest.close()

    def _set(self, change: BadgeChange) -> Outcome:
        try:
            username = self._username(change.account.id)
            if username is None:
                return MemberGone()
            return self._grant(change, username) if change.held else self._revoke(change, username)
        except ConnectionProblem as problem:
            if problem.message.code == "connections.remote_busy":
                return RetryAfter(problem.retry_after)
            raise

    def _username(self, user_id: str) -> str | None:
        """Return the present name of a user, who may have been renamed; None if they were deleted."""
        path = f"/admin/users/{segment(user_id)}.json"
        reply = self.rest.send("GET", path, expected=(404,))
        return None if reply.status == 404 else reply.parsed(_User).username

    def _grant(self, change: BadgeChange, username: str) -> Outcome:
        """Grant a badge. Its reason isn't sent: Discourse accepts only the address of a post as one."""
        body = {"username": username, "badge_id": int(change.badge_id)}
        reply = self.rest.send(
            "POST", "/user_badges.json", body=body, expected=(400, 403, 404, 422)
        )
        if reply.status < 300:
            reply.parsed(_Grant)
            return Done()
        if reply.status == 404:
            return self._missing(change)
        return _refused(reply)

    def _revoke(self, change: BadgeChange, username: str) -> Outcome:
        """Revoke a badge by the ID of the award, which only the member's list says."""
        path = f"/user-badges/{segment(username)}.json"
        reply = self.rest.send("GET", path, expected=(404,))
        if reply.status == 404:
            return MemberGone()
        for award in reply.parsed(_Awards).user_badges:
            if str(award.badge_id) == change.badge_id:
                path = f"/user_badges/{award.id}.json"
                gone = self.rest.send("DELETE", path, expected=(400, 403, 404, 422))
                if gone.status >= 300 and gone.status != 404:
                    return _refused(gone)
        return Done()

    def _missing(self, change: BadgeChange) -> Outcome:
        """Return what a grant lacked: Discourse says only that something wasn't found."""
        known = {badge.id for badge in self.badges()}
        return MemberGone() if change.badge_id in known else BadgeGone()


def _member(user: _User) -> RemoteMember:
    return RemoteMember(str(user.id), user.username, user.name or "", user.email or "")


def _refused(reply: Reply) -> Outcome:
    errors = reply.parsed(_Errors).errors
    return Refused(message("connections.remote_refused", detail=shown(" ".join(errors))))
