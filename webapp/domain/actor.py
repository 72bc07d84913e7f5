"""Who acts, when, and from where: an argument of every function that writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from webapp.models import ApiKey, Origin, Staff


@dataclass(frozen=True)
class Actor:
    """The author of an action: a person, another system identified by its `key`, or neither if Laurel itself acts."""

    at: datetime
    origin: Origin
    staff: Staff | None = None
    key: ApiKey | None = None
    address: str = ""  # where the request came from; for a command, the OS user

    @property
    def staff_id(self) -> int | None:
        return self.staff.id if self.staff else None

    @property
    def key_id(self) -> int | None:
        return self.key.id if self.key else None

    @property
    def name(self) -> str:
        if self.key:
            return self.key.title
        return self.staff.display_name if self.staff else "Laurel"

    def by(self, staff: Staff) -> Actor:
        """Return the same action as done by this person: sign-ins and links find out only later who acts."""
        return replace(self, staff=staff, key=None)
