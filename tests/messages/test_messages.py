"""Sentences with their values: the small language of the catalogue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webapp.messages import (
    Message,
    catalogue,
    fill,
    fill_around,
    join,
    message,
    names_in,
    rules,
    text_of,
)


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("Enter a name.", {}, "Enter a name."),
        ("{who} has changed this.", {"who": "Mara"}, "Mara has changed this."),
        ("The limit is {limit}.", {"limit": 5000}, "The limit is 5,000."),
        ("The limit is {limit}.", {"limit": "5000"}, "The limit is 5000."),
        ("{one} and {one}", {"one": 1}, "1 and 1"),
        ("{who} has changed this.", {}, "… has changed this."),
        ("{on}", {"on": True}, "True"),
    ],
)
def test_values_are_put_into_a_text(text: str, values: dict[str, Any], said: str) -> None:
    assert fill(text, values) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{n:row}", ["0 rows", "1 row", "2 rows", "4,920 rows"]),
        ("{n:try|tries}", ["0 tries", "1 try", "2 tries", "4,920 tries"]),
        (
            "{n:row was|rows were} read",
            ["0 rows were read", "1 row was read", "2 rows were read", "4,920 rows were read"],
        ),
        ("{n:failed member}", ["0 failed members", "1 failed member"]),
        ("{n:=was|were}", ["were", "was", "were", "were"]),
    ],
)
def test_a_number_has_its_noun(text: str, said: list[str]) -> None:
    assert [fill(text, {"n": n}) for n in (0, 1, 2, 4920)][: len(said)] == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "Spring"}, "the batch Spring"),
        ({"name": "Spring", "left": 0, "why": ""}, "the batch Spring"),
        ({"name": "Spring", "left": 1}, "the batch Spring with 1 member left"),
        ({"name": "Spring", "left": 2, "why": "full"}, "the batch Spring with 2 members left"),
        (
            {"name": "Spring", "left": 2, "why": "full", "who": "Mara"},
            "the batch Spring with 2 members left (full, says Mara)",
        ),
        ({"name": "Spring", "why": message("entries.left"), "who": None}, "the batch Spring"),
    ],
)
def test_brackets_need_all_their_values(values: dict[str, Any], said: str) -> None:
    text = "the batch {name}[ with {left:member} left][ ({why}, says {who})]"
    assert fill(text, values) == said


@pytest.mark.parametrize(
    "typed",
    [
        "{name}",
        "{0}",
        "}{",
        "[{who}]",
        "[",
        "]",
        "{who!r:>{width}}",
        "%s",
        "\\1",
        "{who.__class__}",
    ],
)
def test_typed_braces_and_brackets_are_only_text(typed: str) -> None:
    assert fill("“{name}” by {who}[, {why}]", {"name": typed, "who": typed, "why": typed}) == (
        f"“{typed}” by {typed}, {typed}"
    )
    text = "renamed {subject} from “{before}”[ to “{after}”]"
    values = {"before": typed, "after": typed}
    assert fill_around(text, "subject", values) == (
        "renamed ",
        True,
        f" from “{typed}” to “{typed}”",
    )


def test_a_text_is_filled_around_one_of_its_values() -> None:
    text = "published the batch {subject}[ ({members:member})]"
    around = [fill_around(text, "subject", {"members": number}) for number in (0, 1, 1200)]
    assert around == [
        ("published the batch ", True, ""),
        ("published the batch ", True, " (1 member)"),
        ("published the batch ", True, " (1,200 members)"),
    ]
    assert fill_around("erased a member", "subject", {}) == ("erased a member", False, "")


def test_the_names_in_a_text() -> None:
    assert names_in("{who} and {rows:row was|rows were}[, {more} more] {rows:=is|are}") == {
        "who",
        "rows",
        "more",
    }
    assert names_in("Enter a name.") == set()


def test_a_message_renders_its_text_with_its_values() -> None:
    assert str(message("badges.name_taken", name="Helper")) == (
        "A badge named “Helper” already exists."
    )
    assert str(Message("awards.badge_missing")) == "Choose a badge."


def test_a_message_may_be_a_value_of_another() -> None:
    advice = Message("csv_files.advice_unpack")
    kind = message("csv_files.wrong_type", type=Message("file_types.zip"), advice=advice)
    assert str(kind) == (
        "This is a ZIP archive, not a CSV file. Unpack it and upload the .csv file inside."
    )


def test_messages_are_joined() -> None:
    several = [Message("awards.badge_missing"), None, Message("badges.name_missing")]
    assert join(several) == "Choose a badge. Enter a name."
    assert join(several, "\n") == "Choose a badge.\nEnter a name."
    assert join([]) == ""


@pytest.mark.parametrize(
    "one",
    [
        Message("badges.name_missing"),
        message("badges.name_taken", name="{Helper} [1]"),
        message("imports.without_name", rows=1200),
        message(
            "imports.former_unchanged",
            taken=message("imports.username_taken", value="anna", holder="4821"),
            username="Ännchen",
        ),
    ],
)
def test_a_message_survives_a_column_of_json(one: Message) -> None:
    stored = json.loads(json.dumps(one.to_json()))
    assert Message.from_json(stored) == one
    assert str(Message.from_json(stored)) == str(one)


@pytest.mark.parametrize(
    "code", ["batches.of_a_later_version", "", "A sentence {of} a [page].", "100% {", "Stopped]"]
)
def test_an_unknown_code_is_shown_as_it_is(code: str) -> None:
    """A later version may have stored it, and errors of pages are sentences."""
    assert str(message(code, of="x")) == code
    assert text_of(code) == code


def test_two_messages_are_equal_if_they_say_the_same() -> None:
    assert message("badges.name_taken", name="a") == Message("badges.name_taken", {"name": "a"})
    assert message("badges.name_taken", name="a") != message("badges.name_taken", name="b")


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_every_text_can_be_rendered(code: str) -> None:
    text = text_of(code)
    for value in (0, 1, 2):
        said = fill(text, dict.fromkeys(names_in(text), value))
        assert "  " not in said
        assert not {"{", "}", "[", "]", "…"} & set(said)


@pytest.mark.parametrize(
    ("conditions", "any_of", "said"),
    [
        ([["days", 1]], False, "1 day as a member"),
        ([["days", 1095]], False, "1,095 days as a member"),
        ([["activity", 50, "answers"]], False, "50 answers"),
        ([["activity", 1, "accepted_answers"]], False, "1 accepted answer"),
        ([["quest", "Helper"]], False, "having Helper"),
        ([["quest", ""]], False, "having a badge"),
        ([["activity", 50, "answers"], ["days", 30]], False, "50 answers and 30 days as a member"),
        ([["activity", 50, "answers"], ["days", 30]], True, "50 answers or 30 days as a member"),
        (
            [["activity", 1, "posts"], ["quest", "“{x}” [ü]"], ["days", 2]],
            False,
            "1 post, having “{x}” [ü] and 2 days as a member",
        ),
        ([], False, ""),
    ],
)
def test_a_stored_rule_reads_as_a_phrase(
    conditions: list[list[Any]], any_of: bool, said: str
) -> None:
    stored = rules.pack(conditions, any_of=any_of)
    assert rules.unpack(stored) == said
    assert rules.unpack(json.dumps(json.loads(stored))) == said


@pytest.mark.parametrize("words", ["", "30 days since joining", "50 [answers] {x}"])
def test_words_of_an_earlier_version_stay_as_they_are(words: str) -> None:
    assert rules.unpack(words) == words
