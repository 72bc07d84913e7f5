"""Names given by staff are visible and keep their reading order; matching ignores invisible characters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import NOW, Make
from webapp.database import db
from webapp.domain import labels
from webapp.domain.actor import Actor
from webapp.domain.api_access import keys as api_keys
from webapp.domain.badges import quests, settings
from webapp.domain.badges.settings import BadgeSettings
from webapp.domain.batches import drafts, from_group_award
from webapp.domain.batches.drafts import Heading
from webapp.domain.errors import DomainError
from webapp.domain.normalization import fold, is_visible, name_words
from webapp.domain.permissions import Scope
from webapp.domain.staff import accounts
from webapp.models import Batch, Origin, Role
from webapp.transaction import transaction

BAD: list[str] = json.loads(
    (Path(__file__).parents[1] / "cases" / "names-bidi-and-blank.json").read_text()
)
BAD += ["a\u202bb", "\u2069", "\u00ad\u200d", "\u2800", "\ufe0f", "a\x07b", "\u115f\u1160"]
GOOD = [
    "علی\u200cرضا",
    "ශ්\u200dරී ලංකා",
    "\u200fדוד כהן\u200f",
    "Donau\u00addampf",
    "Kim 🏳️\u200d🌈",
    "❤️",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "한국",
    "ᄒ\u1160",
]


def actor() -> Actor:
    return Actor(NOW, Origin.CONSOLE)


def ways(make: Make) -> dict[str, Callable[[str], object]]:
    """All functions by which staff give a name."""
    badge = make.badge("Other")
    wanted = BadgeSettings(name="x")
    return {
        "badge": lambda name: settings.create(replace(wanted, name=name), "", actor()),
        "first quest": lambda name: settings.create(replace(wanted, name="B"), name, actor()),
        "badge changed": lambda name: settings.change(
            badge.id, replace(wanted, name=name), actor()
        ),
        "quest": lambda name: quests.add(badge.id, name, actor()),
        "batch": lambda name: drafts.create(Heading(name, None), actor()),
        "staff": lambda name: accounts.add(
            "new@example.org", Role.ADMIN, "correct horse battery", name, actor()
        ),
        "API key": lambda name: api_keys.create(name, [Scope.MEMBERS_READ], None, actor()),
    }


WAYS = ["badge", "first quest", "badge changed", "quest", "batch", "staff", "API key"]


@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_is_blank_or_reorders_text_is_refused(make: Make, way: str) -> None:
    """The same check wherever staff give a name."""
    give = ways(make)[way]
    for name in BAD:
        with pytest.raises(DomainError) as refused, transaction():
            give(name)
        assert refused.value.field in ("name", "quest"), ascii(name)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name_is_kept_as_it_is(name: str) -> None:
    assert labels.validate(name) == name


def test_a_batch_named_by_a_reason_gets_a_name_that_is_allowed(make: Make) -> None:
    """M-10: characters that a reason may contain and a name may not are removed."""
    make.member("anna")
    quest = make.quest()
    with transaction():
        batch_id, _ = from_group_award.continue_as_batch(
            "anna", quest.id, "Spring \u202eevent\u0007\n2026", 10, actor()
        )
    assert db.session.get_one(Batch, batch_id).name == "Spring event 2026"


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("می\u200cخواهم", "میخواهم"),
        ("heart❤️", "heart❤"),
        ("fam👨\u200d👩\u200d👧", "fam👨👩👧"),
        ("\u200fדוד\u200f", "דוד"),
        ("Donau\u00addampf", "donaudampf"),
        ("an\u200bna", "anna"),
        (" \ufeff anna", "ANNA"),
    ],
)
def test_usernames_match_without_invisible_characters(written: str, typed: str) -> None:
    """B-15: an invisible character doesn't make a different username."""
    assert fold(written) == fold(typed) != ""
    assert name_words(written) == name_words(typed)


@given(st.text())
def test_folding_a_key_gives_the_same_key(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("text", ["", " ", "\u3164", "\u200b\u200d", "\u2800 ", "\x07", "\u180e"])
def test_a_text_of_blanks_is_not_visible(text: str) -> None:
    assert not is_visible(text)
