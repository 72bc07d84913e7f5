"""Who acts, when, and from where: what every verb that writes is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webapp.models import Staff


@dataclass(frozen=True)
class Act:
    """One act of somebody; `staff` is None where the console itself acts."""

    at: datetime
    origin: str  # console, command line, worker
    staff: Staff | None = None

    @property
    def staff_id(self) -> int | None:
        """The person's id, or None for the console itself."""
        return self.staff.id if self.staff else None

    @property
    def actor(self) -> str:
        """The name that the record keeps."""
        return self.staff.display_name if self.staff else "Laurel"
