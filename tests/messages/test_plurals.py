"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from webapp.domain.rules import ConditionDraft, wording
from webapp.messages.plurals import counted, plural, singular
from webapp.models.rule import ConditionKind


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 members"), (1, "1 member"), (2, "2 members"), (4920, "4,920 members")],
)
def test_a_number_has_its_noun(number: int, said: str) -> None:
    assert plural(number, "member") == said


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [plural(n, "entry", "entries") for n in range(3)] == [
        "0 entries",
        "1 entry",
        "2 entries",
    ]


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("likes", "like"),
        ("likes received", "like received"),
        ("accepted answers", "accepted answer"),
        ("replies", "reply"),
        ("Posts", "Post"),
        ("matches won", "match won"),
        ("passes", "pass"),
        ("boxes", "box"),
        ("event visits", "event visit"),
        ("status updates", "status update"),
        ("news", "news"),
        ("progress", "progress"),
        ("time online", "time online"),
        ("ответы", "ответы"),
        ("s", "s"),
        ("", ""),
    ],
)
def test_one_of_what_the_community_has_named(many: str, one: str) -> None:
    assert singular(many) == one
    assert counted(1, many) == f"1 {one}"
    assert counted(2, many) == f"2 {many}"


@pytest.mark.parametrize(
    ("kind", "number", "said"),
    [
        (ConditionKind.ACTIVITY, 1, "1 like received"),
        (ConditionKind.ACTIVITY, 2, "2 likes received"),
        (ConditionKind.ACTIVITY, 1000, "1,000 likes received"),
        (ConditionKind.DAYS, 1, "1 day as a member"),
        (ConditionKind.DAYS, 2, "2 days as a member"),
    ],
)
def test_a_condition_of_one_uses_the_singular(
    kind: ConditionKind, number: int, said: str
) -> None:  # T-1
    assert wording.describe(ConditionDraft(kind, number, "likes_received", None)) == said
