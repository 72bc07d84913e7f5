"""Dates and times as other people's files write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from tests.cpu_time import cpu_seconds
from webapp.domain import dates

MOMENT = datetime(2021, 3, 4, 11, 22, 33, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2021-03-04 11:22:33 UTC",
        "2021-03-04 11:22:33",
        "2021-03-04T11:22:33.1234567Z",
        "2021-03-04T11:22:33,5Z",
        "2021-03-04T11:22:33+0000",
        "2021-03-04 11:22:33 +0000",
        "2021-03-04 06:22:33 -0500",
        "2021-03-04 06:22:33 \u22120500",
        "2021-03-04T12:22:33+01",
        "2021-03-04T16:52:33+05:30",
        "2021-03-04t11:22:33z",
        "20210304T112233Z",
        "20210304T122233+0100",
        "2021-063T11:22:33Z",
        "2021-W09-4T11:22:33Z",
        "2021W094T112233Z",
        " 2021-3-4  11:22:33 GMT ",
        "Thu, 04 Mar 2021 11:22:33 +0000",
        "Thu, 4 Mar 2021 06:22:33 EST",
        "4 Mar 2021 11:22:33 GMT (UTC)",
        "Thu, 04-Mar-2021 11:22:33 GMT",
    ],
)
def test_a_moment_is_read_in_every_certain_form(text: str) -> None:
    """ISO 8601 variants and RFC 2822; UTC if there is no zone."""
    found = dates.parse_moment(text)
    assert found is not None
    assert (found.at.replace(microsecond=0), found.whole_day) == (MOMENT, False)


@pytest.mark.parametrize(
    "text",
    [
        "2021-03-04", "2021-3-4", "20210304", "2021-063", "2021-W09-4", "2021W094", "4 March 2021",
        "4 Mar 2021", "March 4, 2021", "Thu, 4 Mar 2021", "4-Mar-2021",
    ],
)  # fmt: skip
def test_a_day_is_read_in_every_certain_form(text: str) -> None:
    found = dates.parse_moment(text)
    assert found == dates.ParsedMoment(datetime(2021, 3, 4, tzinfo=UTC), True)


@pytest.mark.parametrize(
    "text",
    [
        "", "04.03.2021", "03/04/2021", "03/04/2021 11:22", "1614856953", "1614856953000", "44259", "0", "-",
        "never", "NULL", "0000-00-00", "0000-00-00 00:00:00", "2021-02-30", "2021-13-01", "2021-366", "2021-W54-1",
        "2021-03", "2021", "2021-03-04T25:00", "2021-03-04T11:60", "2021-03-04 11:22:33 XYZ", "1899-12-31",
        "3000-01-01", "0001-01-01T00:00+23", "4 Foo 2021", "20211304", "٢٠٢١-٠٣-٠٤", "2021-03-04T24:01",
        "2021-03-04T11:22+99",
    ],
)  # fmt: skip
def test_ambiguous_dates_are_rejected(text: str) -> None:
    """Ambiguous orders, seconds, serial numbers and words are not guessed."""
    assert dates.parse_moment(text) is None


def test_the_end_of_a_day_and_parts_of_units() -> None:
    for text, at in (
        ("2021-03-04T24:00Z", datetime(2021, 3, 5, tzinfo=UTC)),
        ("2021-03-04T11.5Z", datetime(2021, 3, 4, 11, 30, tzinfo=UTC)),
        ("2021-03-04T11:22.5Z", datetime(2021, 3, 4, 11, 22, 30, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ):
        found = dates.parse_moment(text)
        assert found is not None
        assert found.at == at


@any_of(st.text(alphabet="0123456789-T:+ .ZWMar,()", max_size=40))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    found = dates.parse_moment(text)
    assert found is None or found.at.tzinfo is UTC


def test_a_long_text_takes_no_time() -> None:
    texts = (
        "2021-03-04 " + " " * 100_000,
        "1" * 100_000,
        "A" * 50_000,
        "4 " * 50_000,
        "2021-03-04T11:22:33." + "1" * 100_000,
        "4" + " -" * 45 + "x",
    )
    assert cpu_seconds(lambda: list(map(dates.parse_moment, texts))) < 1
