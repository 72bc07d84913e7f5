"""What people paste into `To`, and the names that are read from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.csv_files.test_reading import seconds
from webapp.domain.errors import DomainError
from webapp.domain.members.username_list import LONGEST, format_names, parse
from webapp.domain.normalization import fold


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("anna, bo,cy", ["anna", "bo", "cy"]),
        ("anna;bo; cy", ["anna", "bo", "cy"]),
        ("anna\tbo\tcy", ["anna", "bo", "cy"]),
        ("anna\r\nbo\ncy\r\n", ["anna", "bo", "cy"]),
        ("anna\u2028bo\u2029cy\x0bdi", ["anna", "bo", "cy", "di"]),
        (" ,, ;\n\t anna ,\n, ", ["anna"]),
        ("@anna, @ bo, @@cy", ["anna", "bo", "cy"]),
        ("Anna, anna, ANNA , @anna", ["Anna"]),
        ("Straße, STRASSE", ["Straße"]),
        ("J\u00fcrgen, Ju\u0308rgen", ["J\u00fcrgen"]),
        ("\"anna\", 'bo', “cy”, „di“, «ed», `fi`", ["anna", "bo", "cy", "di", "ed", "fi"]),
        ('"Brandt, Anna"; bo', ["Brandt, Anna", "bo"]),
        ('"The ""Doc""", bo', ['The "Doc"', "bo"]),
        ('"@anna", @"bo"', ["anna", "bo"]),
        ("O'Brien, d'Arc", ["O'Brien", "d'Arc"]),
        ('anna "the cook", bo', ['anna "the cook"', "bo"]),
        ('"anna, bo', ['"anna', "bo"]),
        ("two words, three more words", ["two words", "three more words"]),
        ("\ufeffanna,\u200bbo\u200b,\xa0cy\xa0", ["anna", "bo", "cy"]),
        ("<b>anna</b>, a&b, مريم, न", ["<b>anna</b>", "a&b", "مريم", "न"]),
        ("ann\x00a", ["ann\ufffda"]),
        ("@", ["@"]),
        ("", []),
        (" \n ,;", []),
    ],
)
def test_names_are_read_from_what_was_pasted(text: str, names: list[str]) -> None:
    """M-8: separators, a leading @, quotes, repeated names; what is part of a name stays."""
    assert parse(text) == names


def test_look_alike_letters_are_other_names() -> None:
    """M-8: a Cyrillic а is another letter; nobody is awarded in another's place."""
    assert len(parse("anna, аnna")) == 2


@pytest.mark.parametrize(
    "names",
    [["anna", "bo"], ["Brandt, Anna"], ['The "Doc"'], ["a;b", "c\td"], ["O'Brien"]],
)
def test_what_is_written_is_read_again(names: list[str]) -> None:
    """M-9: names put back into `To` after a correction are the same names."""
    assert parse(format_names(names)) == names


@given(st.text(alphabet=st.sampled_from("ab@,;\t\n\r \"'“”\u200b\x00é"), max_size=60))
def test_any_text_is_read(text: str) -> None:
    """M-8: never an error; each name once, none empty, none with a line break that no quotes hold."""
    names = parse(text)
    assert len({fold(name) for name in names}) == len(names)
    assert all(name.strip() for name in names)


@pytest.mark.parametrize("pattern", ['"', ',"""', '"a,', "\u200b", "@", "“", ",", "a,", "' "])
def test_no_text_takes_long(pattern: str) -> None:
    """M-8: the longest text that is read takes a fraction of a second, whatever stands in it."""
    assert seconds(lambda: parse((pattern * LONGEST)[:LONGEST]), enough=2) < 2


def test_a_text_too_long_is_refused_with_a_sentence() -> None:
    """M-8: 200 KB in `To`."""
    with pytest.raises(DomainError) as refused:
        parse("a" * 200_000)
    assert refused.value.field == "to"
    assert refused.value.message.startswith("The list has 200,000 characters; the limit is 100,000")
