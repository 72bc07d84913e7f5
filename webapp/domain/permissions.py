"""The table of permissions that pages, templates and the API check (R-1)."""

from __future__ import annotations

from enum import StrEnum

from webapp.models import Role


class Scope(StrEnum):
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    MEMBERS_ERASE = "members:erase"
    MEMBER_LINKS_READ = "member-links:read"
    BADGES_READ = "badges:read"
    BADGES_WRITE = "badges:write"
    AWARDS_READ = "awards:read"
    AWARDS_WRITE = "awards:write"
    BATCHES_READ = "batches:read"
    BATCHES_WRITE = "batches:write"
    EVENTS_READ = "events:read"
    ACTIVITIES_WRITE = "activities:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"

    @property
    def sentence(self) -> str:
        return _SCOPES[self]


_SCOPES = {
    Scope.MEMBERS_READ: "search and read members",
    Scope.MEMBERS_WRITE: "create and update members",
    Scope.MEMBERS_ERASE: "erase members permanently",
    Scope.MEMBER_LINKS_READ: "with members:read: get the links to members' own pages, where badges can be shared",
    Scope.BADGES_READ: "read badges, their quests and rules",
    Scope.BADGES_WRITE: "create, change and archive badges and quests, and set their rules",
    Scope.AWARDS_READ: "read awards",
    Scope.AWARDS_WRITE: "award and revoke badges",
    Scope.BATCHES_READ: "read batches and their progress",
    Scope.BATCHES_WRITE: "create, fill, publish, stop, retry, undo and delete batches",
    Scope.EVENTS_READ: "follow events, with the members, badges, awards and batches they're about",
    Scope.ACTIVITIES_WRITE: "send member activity",
    Scope.WEBHOOKS_READ: "read webhooks and their deliveries",
    Scope.WEBHOOKS_WRITE: "send all events, with members' data, to any URL: create, change and remove webhooks",
}


class Permission(StrEnum):
    """A permission of staff; the value completes the sentence “Only admins can …”."""

    VIEW = "use the console"
    AWARD = "award badges"
    REVOKE = "revoke badges"
    EDIT_BADGES = "change badges"
    IMPORT_EXPORT_MEMBERS = "import and export members"
    BATCH_UNLOCK = "create batches"
    MANAGE_INTEGRATIONS = "manage API keys, webhooks and connections"
    MANAGE_MEMBER_STATUS = "change a member's status"
    STAFF = "manage staff accounts"
    MANAGE_COMMUNITY = "change the community's name, logo and Open Badges"


_EVERYONE = frozenset(Role)
_MANAGERS = frozenset({Role.ADMIN, Role.DEV, Role.MANAGER})
_DEVS = frozenset({Role.ADMIN, Role.DEV})
_ADMINS = frozenset({Role.ADMIN})

ALLOWED: dict[Permission, frozenset[Role]] = {
    Permission.VIEW: _EVERYONE,
    Permission.AWARD: _MANAGERS,
    Permission.REVOKE: _EVERYONE,
    Permission.EDIT_BADGES: _MANAGERS,
    Permission.IMPORT_EXPORT_MEMBERS: _MANAGERS,
    Permission.BATCH_UNLOCK: _DEVS,
    Permission.MANAGE_INTEGRATIONS: _DEVS,
    Permission.MANAGE_MEMBER_STATUS: _ADMINS,
    Permission.STAFF: _ADMINS,
    Permission.MANAGE_COMMUNITY: _ADMINS,
}


def may(role: str | None, permission: Permission) -> bool:
    return role in ALLOWED[permission]


# A key can't do what the person who creates it may not do.
_GRANTED_BY = {Scope.MEMBERS_ERASE: Permission.MANAGE_MEMBER_STATUS}


def grantable(role: str) -> list[Scope]:
    """Return the scopes that a person may give to a key."""
    return [scope for scope in Scope if scope not in _GRANTED_BY or may(role, _GRANTED_BY[scope])]


def is_reduced(before: Role, after: Role) -> bool:
    return any(may(before, permission) and not may(after, permission) for permission in Permission)


def roles_that_may(permission: Permission) -> list[Role]:
    """Return the roles with a permission, in the table's order, for the page that denies access."""
    return [role for role in Role if role in ALLOWED[permission]]
