"""Rules: how a quest is earned. Counters find the members concerned; the history of events is never read.

`validation` checks a rule, `editing` saves it, `wording` describes it, `criteria` makes it a condition on `Member`.
`candidates` notes members for whom a rule may have become true, `evaluation` awards them, and `backfill` evaluates
everybody when a rule comes into force. `reach` counts whom a rule would award, `progress` how far a member is.
`activity_names` keeps the names that events and rules use.
"""

from __future__ import annotations

from webapp.domain.rules.activity_names import named, usage
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
