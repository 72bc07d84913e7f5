"""Names given on the command line must be visible, and read in the order in which they are written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import func, select

from tests.domain.test_labels import BAD
from webapp.cli import main
from webapp.database import db
from webapp.models import ApiKey, Staff


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_is_blank_or_reorders_text_is_refused(
    app: Flask, imports: Callable[..., Result], name: str
) -> None:
    """For staff and API keys: a sentence, and exit code 1."""
    for words in (
        ["keys", "add", "--name", name, "--scope", "members:read"],
        ["staff", "add", "--email", "x@example.org", "--role", "admin", "--name", name, "--link"],
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 1, result.output
        assert "Error: The name" in result.output
    with app.app_context():
        for table in (ApiKey, Staff):
            assert db.session.scalar(select(func.count(table.id))) == 0
