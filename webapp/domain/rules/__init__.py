"""Rules: what a member has to do for a quest. Whom they reach is found by counters, never by reading all that happened.

`checking` says if one may be saved, `keeping` saves it, `words` says it, `matching` asks the database whom it fits;
`due` notes for whom one may have become true and looks at those, `evaluation` looks at everybody when one comes into
force.
"""

from __future__ import annotations

from webapp.domain.rules.activities import named, usage
from webapp.domain.rules.checking import Asked, Draft, check
from webapp.domain.rules.keeping import (
    Unconfirmed,
    came_into_force,
    fingerprint,
    get,
    of_badge,
    remove,
    save,
)

__all__ = [
    "Asked",
    "Draft",
    "Unconfirmed",
    "came_into_force",
    "check",
    "fingerprint",
    "get",
    "named",
    "of_badge",
    "remove",
    "save",
    "usage",
]
