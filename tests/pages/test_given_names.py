"""Names given on pages must be visible, and read in the order in which they are written."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.domain.test_labels import BAD
from tests.factories import Make
from tests.pages.client import ReviewingClient
from webapp.database import db
from webapp.models import ApiKey, Badge, Batch, Quest, Staff


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_is_blank_or_reorders_text_is_refused(
    app: Flask, as_admin: ReviewingClient, make: Make, name: str
) -> None:
    """For badges, quests, batches, API keys and staff."""
    badge = make.badge("Helper")
    batch_id = make.batch(name="Spring").id
    with app.app_context():
        names_before = given_names()
    for path, form in (
        ("/badges", {"name": name, "shape": "circle", "colour": "green", "icon": "award"}),
        (f"/badges/{badge.id}/quests", {"name": name}),
        (f"/batches/{batch_id}", {"name": name}),
        ("/settings/api-keys", {"name": name, "scopes": "members:read"}),
        (
            "/settings/staff/invitations",
            {"name": name, "email": "new@example.org", "role": "support"},
        ),
        ("/account/name", {"name": name}),
    ):
        answer = as_admin.post(path, form)
        assert answer.status_code == 422, (path, answer.status_code)
    with app.app_context():
        assert given_names() == names_before


def given_names() -> list[list[str]]:
    """Every name given by staff."""
    assert db.session.scalar(select(func.count(Staff.id)))
    columns = (Badge.name, Quest.name, Batch.name, ApiKey.name, Staff.name)
    return [sorted(db.session.scalars(select(column)).all()) for column in columns]
