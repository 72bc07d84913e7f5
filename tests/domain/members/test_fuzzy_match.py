"""The maximum cost of finding similar members, for any input (B-17, M-9)."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
from flask import Flask

from tests.counting import statements
from tests.cpu_time import cpu_seconds
from tests.factories import NOW, Make
from webapp.domain.actor import Actor
from webapp.domain.batches import uploads
from webapp.domain.batches.add_member import By, find
from webapp.domain.batches.preview import Preview
from webapp.domain.batches.suggestions import suggest
from webapp.domain.errors import DomainError
from webapp.domain.members.fuzzy_match import usernames
from webapp.domain.normalization import MAX_LENGTH, fold, name_words
from webapp.models import Origin
from webapp.transaction import transaction

ACT = Actor(at=NOW, origin=Origin.CONSOLE)
MEGABYTE = 1_000_000
SECONDS = 4.0  # of CPU time; without limits these took 20 and more
MOST = 150 * MEGABYTE  # without limits 2,700


def letters(name: int, length: int, first: int = 0x4E00) -> str:
    """A name with all different letters, unlike any other name."""
    return "".join(chr(first + (name * length + place) % 20_000) for place in range(length))


WORST = {
    "320 different letters": lambda name: letters(name, 320),
    "100 different letters": lambda name: letters(name, 100),
    "100 letters of four bytes": lambda name: letters(name, 100, 0x20000),
    "100 plain letters": lambda name: f"{name:03d}" + "abcdefghij" * 9 + "klmnopq",
    "24 letters": lambda name: f"{name:03d}" + "abcdefghijklmnopqrstu",
    "combining marks": lambda name: f"{name}" + "\u0301\u0316" * 900,
    "digits among many members": lambda name: f"1{name:05d}",
}


def measured(work: Callable[[], object]) -> tuple[float, int]:
    """The CPU time of one run, and the peak memory of a second, because tracing slows down the first."""
    spent = cpu_seconds(work)
    tracemalloc.start()
    try:
        work()
        return spent, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", WORST)
def test_the_worst_50_names_cost_little(app: Flask, make: Make, kind: str) -> None:
    """M-9: `To` accepts 50 names, none of which exists."""
    make.members(3000, "1")
    names = [WORST[kind](name) for name in range(50)]
    with statements() as sent:
        usernames(names)
    assert len(sent) <= 6
    spent, peak = measured(lambda: usernames(names))
    assert spent < SECONDS
    assert peak < MOST


@pytest.mark.parametrize("kind", WORST)
def test_the_worst_page_of_a_preview_costs_little(app: Flask, make: Make, kind: str) -> None:
    """B-17: 25 rows whose ID, username and email are all wrong."""
    make.members(3000, "1")
    rows = [
        f"no{row};{WORST[kind](row)};{WORST[kind](row + 100)}@{WORST[kind](row + 200)}.org"
        for row in range(25)
    ]
    data = ("ID;Username;Email\n" + "\n".join(rows) + "\n").encode()
    batch = make.batch()
    seen = uploads.receive(batch.id, data, 5000)
    with transaction():
        kept = uploads.keep(batch.id, "members.csv", data, seen, ACT).preview
    assert kept is not None
    preview = Preview.unpack(kept)
    spent, peak = measured(lambda: suggest(preview, preview.lines))
    assert spent < SECONDS
    assert peak < MOST


def test_a_long_name_gets_its_likeliest_matches_among_50(make: Make) -> None:
    """M-9: if there is no room for every edit, dropped and swapped letters are still tried."""
    right = [f"member-{number:02d}-" + "of.the.long.names" * 4 for number in range(50)]
    for name in right:
        make.member(name)
    wrong = [name[:3] + name[4:] for name in right]
    found = usernames(wrong)
    assert [found[name][0].username for name in wrong] == right


def test_nothing_is_near_an_endless_name(make: Make) -> None:
    """M-9: no one types 101 letters by hand."""
    make.member("a" * 101)
    assert usernames(["a" * 102]) == {}


@pytest.mark.parametrize(
    "read",
    [
        fold,
        name_words,
        lambda text: fold(text + " " + text),
        lambda text: fold("x" * MAX_LENGTH + text),
    ],
)
def test_endless_combining_marks_are_not_sorted(read: Callable[[str], object]) -> None:
    """Unicode normalization takes quadratic time for marks: 200,000 of them took 20 s."""
    text = "a" + "\u0301\u0316" * 100_000
    assert cpu_seconds(lambda: read(text)) < 2.0


def test_long_texts_are_still_folded_word_by_word() -> None:
    """An erasure finds the email in a long note, in whatever form it is written."""
    note = "word " * 500 + "ANNA.NOVA\u0301K@example.org"
    assert fold(note).endswith("anna.nov\u00e1k@example.org")


def test_an_endless_username_is_not_found(make: Make) -> None:
    """`Single` responds immediately, whatever was typed."""
    make.member("anna")
    start = time.process_time()
    with pytest.raises(DomainError):
        find(By.USERNAME, "a" + "\u0301\u0316" * 100_000)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("kind", ["1-Mar", "Mar-01", "2026-03-01", "1.23457E+17", "4,821.00", "42"])
def test_values_changed_by_a_spreadsheet_cost_little(app: Flask, make: Make, kind: str) -> None:
    """B-17: 25 rows, each of which may have been hundreds of other values."""
    make.members(3000, "1")
    data = ("ID;Username\n" + f"{kind};{kind}\n" * 25).encode()
    batch = make.batch()
    with transaction():
        seen = uploads.receive(batch.id, data, 5000)
        kept = uploads.keep(batch.id, "members.csv", data, seen, ACT).preview
    assert kept is not None
    preview = Preview.unpack(kept)
    with statements() as sent:
        suggest(preview, preview.lines)
    assert len(sent) <= 9
    spent, peak = measured(lambda: suggest(preview, preview.lines))
    assert spent < SECONDS
    assert peak < MOST
