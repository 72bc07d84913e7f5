"""The page for importing members accepts other systems' files."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.cases.member_imports import BY_NAME, CASES, HERE, Case, check, prepare, said
from tests.domain.erasure.test_erase import worked
from tests.factories import NOW
from tests.pages.client import Answer, ReviewingClient
from tests.pages.members.test_imports import chosen, figures, tried
from tests.pages.members.test_imports import number as count_of
from webapp.domain.actor import Actor
from webapp.models import Origin

LABELS = ("reated", "hanged", "Unchanged", "Skipped (errors)")


def counts(page: Answer) -> tuple[int, ...]:
    found = figures(page)
    return tuple(
        next(int(number.replace(",", "")) for label, number in found.items() if one in label)
        for one in LABELS
    )


def lines(browser: ReviewingClient, address: str, kind: str) -> dict[int, str]:
    """The messages by line in the tab of this kind."""
    page = browser.get(f"{address}?show={kind}").page
    selected = page.select_one(f'a[href$="show={kind}"]')
    if selected is None:
        return {}
    return {
        int(row.select("td")[0].get_text(strip=True)): row.select("td")[-1].get_text(strip=True)
        for row in page.select(".rows tbody tr")
    }


@pytest.mark.parametrize("case", CASES, ids=BY_NAME)
def test_a_file_of_another_tool_is_imported(
    app: Flask, as_manager: ReviewingClient, case: Case
) -> None:
    """D-4: the dry run reports the same as the import; a second import changes nothing."""
    with app.app_context():
        prepare(case, Actor(NOW, Origin.CONSOLE))
    address = chosen(as_manager, case.data)
    dry = tried(app, as_manager, address)
    assert counts(dry) == case.counts
    said(lines(as_manager, address, "errors"), case.bad)
    said(lines(as_manager, address, "warnings"), case.warned)
    words = dry.words("#result")
    for remark in case.remarks:
        assert re.sub(r"(was|were) imported", "would be imported", remark) in words
    if case.created or case.updated:
        assert as_manager.post(f"{address}/application").status_code == 303
        with app.app_context():
            worked(count_of(address))
        wet = as_manager.get(address)
        assert counts(wet) == case.counts
        said(lines(as_manager, address, "errors"), case.bad)
        said(lines(as_manager, address, "warnings"), case.warned)
        for remark in case.remarks:
            assert remark in wet.words("#result")
    with app.app_context():
        check(case)
    assert counts(tried(app, as_manager, chosen(as_manager, case.data))) == case.again


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("report-preamble.csv", "header in row 4, skipping 3 rows above it"),
        ("zoom-preamble.csv", "header in row 7, skipping 6 rows above it"),
        ("teams-attendance.csv", "header in row 6, skipping 5 rows above it"),
        ("numbers-table-title.csv", "header in row 2, skipping 1 row above it"),
        ("hash-comment.csv", "header in row 2, skipping 1 row above it"),
    ],
)
def test_the_page_says_where_the_header_is(
    as_manager: ReviewingClient, name: str, place: str
) -> None:
    """E-8: within the first 20 lines, with the text above it."""
    address = chosen(as_manager, (HERE / name).read_bytes())
    assert place in as_manager.get(address).words("#columns")
