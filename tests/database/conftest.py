"""The domain's fixtures: tests here call the database the same way."""

from tests.domain.conftest import context  # noqa: F401
