"""Rules: what a member has to do for a quest. Whom they reach is found by counters, never by reading all that happened.

`rules` keeps them, `words` says them, `matching` asks the database whom they fit, `due` notes for whom one may have
become true and looks at those, `evaluation` looks at everybody when a rule comes into force.
"""

from __future__ import annotations

from webapp.domain.rules.keeping import (
    Asked,
    Draft,
    came_into_force,
    check,
    get,
    named,
    of_badge,
    remove,
    save,
)

__all__ = [
    "Asked",
    "Draft",
    "came_into_force",
    "check",
    "get",
    "named",
    "of_badge",
    "remove",
    "save",
]
