"""Rules: how a quest is earned. Evaluation reads the counters, never the history of events.

`validation` checks a rule, `editing` saves it, `wording` describes it, `criteria` turns it into a condition on
`Member`. `candidates` queues members for whom a rule may have become true, `evaluation` awards them, and `backfill`
evaluates everyone when a rule becomes active. `reach` counts the members a rule would award; `progress` shows how far a
member is. `activity_names` stores the names used by events and rules.
"""

from __future__ import annotations

from webapp.domain.rules.activity_names import list_activities, usage
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
    "list_activities",
    "of_badge",
    "remove",
    "save",
    "usage",
    "validate",
]
