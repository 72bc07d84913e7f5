"""The table that remembers the keys of a file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from webapp.domain.imports.hash_table import HashTable


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 2))))
def test_it_is_a_dict(pairs: list[tuple[str, int]]) -> None:
    table, expected = HashTable(), dict[str, int]()
    for text, number in pairs:
        assert table.put(text, number) == (text not in expected)
        expected[text] = number
    assert {text: table.get(text) for text in expected} == expected
    assert "longer" not in table
    assert table.get("longer") is None


def test_it_grows_and_its_copies_are_apart() -> None:
    table = HashTable()
    for number in range(10_000):
        assert table.put(f"text{number}", number % 3)
    copy = table.copy()
    assert copy.put("another")
    assert "another" not in table
    assert all(copy.get(f"text{number}") == number % 3 for number in range(10_000))
    assert not any(f"other{number}" in table for number in range(10_000))
