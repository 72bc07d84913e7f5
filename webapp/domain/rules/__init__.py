"""Rules: what a member has to do for a quest. Whom they reach is found by counters, never by reading all that happened.

`checking` says if one may be saved, `keeping` saves it, `words` says it, `matching` asks the database whom it fits;
`due` notes for whom one may have become true and looks at those, `evaluation` looks at everybody when one comes into
force.
"""

from __future__ import annotations

from webapp.domain.activities.names import named, usage
from webapp.domain.rules.editing import (
    UnconfirmedError,
    came_into_force,
    fingerprint,
    get,
    of_badge,
    remove,
    save,
)
from webapp.domain.rules.validation import ConditionDraft, RuleDraft, validate

__all__ = [
    "ConditionDraft",
    "RuleDraft",
    "UnconfirmedError",
    "came_into_force",
    "fingerprint",
    "get",
    "named",
    "of_badge",
    "remove",
    "save",
    "usage",
    "validate",
]
