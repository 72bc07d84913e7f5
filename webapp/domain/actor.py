"""Who acts, when, and from where: what every verb that writes is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from webapp.models import ApiKey, Origin, Staff


@dataclass(frozen=True)
class Actor:
    """One act of somebody: of a person, or of another system by its `key`; of neither where the console itself acts."""

    at: datetime
    origin: Origin
    staff: Staff | None = None
    key: ApiKey | None = None
    address: str = ""  # where the request came from; for a command, the user account that ran it

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
        """The same act by this person: for sign-ins and links, which find out who acts."""
        return replace(self, staff=staff, key=None)
